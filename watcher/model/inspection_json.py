"""The public JSON form of an inspection (docs/reference/inspection.md)."""

from itertools import islice
from typing import Any

import msgspec

from watcher.model.certificates import Certificate
from watcher.model.inventory import (
    FILE,
    HARDLINK,
    SETGID,
    SETUID,
    STICKY,
    SYMLINK,
    WORLD_WRITABLE,
    FileTable,
    Inventory,
    Package,
    Secret,
)
from watcher.model.leftovers import leftovers

# An image can have millions of world-writable files; the list is for people.
MAX_NOTABLE_FILES = 10_000


def inspection_json(inventory: Inventory) -> dict[str, Any]:
    """One JSON object; of the files it lists those that are notable, and counts the rest."""
    config = inventory.config
    base_layers = inventory.base.known_layers
    return {
        "digest": inventory.digest,
        "media_type": inventory.media_type,
        "platform": inventory.platform,
        "compressed_bytes": inventory.compressed_bytes,
        "facts_revision": inventory.facts_revision,
        "config": {
            "digest": inventory.config_digest,
            "created": config.created,
            "user": config.user,
            "effective_uid": inventory.effective_uid,
            "runs_as_root": None if inventory.effective_uid is None else inventory.effective_uid == 0,
            "entrypoint": list(config.entrypoint),
            "cmd": list(config.cmd),
            "working_dir": config.working_dir,
            "env": [variable.partition("=")[0] for variable in config.env],
            "exposed_ports": list(config.exposed_ports),
            "volumes": list(config.volumes),
            "labels": sorted(config.labels),
            "healthcheck": bool(config.healthcheck) and config.healthcheck != ("NONE",),
        },
        "distro": {
            "id": inventory.distro.id,
            "version": inventory.distro.version,
            "name": inventory.distro.name,
            "like": list(inventory.distro.like),
            "known": inventory.distro.known,
        },
        "base": {
            "known": inventory.base.known,
            "reference": inventory.base.reference,
            "digest": inventory.base.digest,
            "layers": inventory.base.layer_count,
            "how": inventory.base.how,
        },
        "layers": [
            {
                "digest": layer.digest,
                "media_type": layer.media_type,
                "compressed_bytes": layer.compressed_bytes,
                "plain_bytes": layer.plain_bytes,
                "files": layer.files,
                "created_by": layer.created_by,
                "state": layer.state,
                "cached": layer.cached,
            }
            for layer in inventory.layers
        ],
        "packages": [_package_json(package) for package in inventory.packages],
        "programs": [
            {"path": program.path, "size": program.size, "layer": program.layer, "from_base": program.from_base}
            for program in inventory.programs
        ],
        "keys": [
            {
                "path": key.path,
                "position": key.record.position,
                "kind": key.record.kind,
                "algorithm": key.record.algorithm,
                "bits": key.record.bits,
                "encrypted": key.record.encrypted,
                "layer": key.layer,
                "from_base": key.from_base,
            }
            for key in inventory.keys
        ],
        "certificates": [_certificate_json(certificate) for certificate in inventory.certificates],
        "leftovers": [
            {
                "kind": each.kind,
                "tool": each.tool,
                "path": each.path,
                "files": each.files,
                "size": each.size,
                "layer": each.layer,
                "from_base": each.layer < base_layers,
            }
            for each in leftovers(inventory.files)
        ],
        "declared": [_package_json(package) for package in inventory.declared],
        "sbom": {
            "documents": [
                {
                    "source": each.source,
                    "digest": each.digest,
                    "format": each.format,
                    "tool": each.tool,
                    "packages": each.packages,
                }
                for each in inventory.sbom.documents
            ],
            "missing": list(inventory.sbom.missing),
            "extra": [
                {"type": each.type, "name": each.name, "version": each.version, "purl": each.purl} for each in inventory.sbom.extra
            ],
        },
        "users": [
            {"name": user.name, "uid": user.uid, "gid": user.gid, "home": user.home, "shell": user.shell}
            for user in inventory.users
        ],
        "secrets": [_secret_json(secret) for secret in inventory.secrets],
        "files": _files_json(inventory.files),
        "sections": {
            name: {"state": section.state.value, "reason": section.reason, "skipped": list(section.skipped)}
            for name, section in inventory.sections.items()
        },
    }


def inspection_bytes(inventory: Inventory) -> bytes:
    """Takes a moment for an image of many files or packages."""
    return msgspec.json.encode(inspection_json(inventory))


def _package_json(package: Package) -> dict[str, Any]:
    record = package.record
    return {
        "type": record.type,
        "name": record.name,
        "version": record.version,
        "architecture": record.architecture,
        "source": record.source,
        "licenses": list(record.licenses),
        "licensed_in": record.licensed_in,
        "purl": record.purl,
        "path": package.path,
        "layer": package.layer,
        "from_base": package.from_base,
        "owner": package.owner,
    }


def _certificate_json(certificate: Certificate) -> dict[str, Any]:
    record = certificate.record
    return {
        "path": certificate.path,
        "position": record.position,
        "roots": certificate.roots,
        "subject": record.subject,
        "issuer": record.issuer,
        "not_before": record.not_before or None,
        "not_after": record.not_after or None,
        "self_signed": record.self_signed,
        "ca": record.ca,
        "key_algorithm": record.key_algorithm,
        "key_bits": record.key_bits,
        "signature_algorithm": record.signature_algorithm,
        "sha256": record.sha256,
        "layer": certificate.layer,
        "from_base": certificate.from_base,
    }


def _secret_json(secret: Secret) -> dict[str, Any]:
    hit = secret.hit
    return {
        "rule": hit.rule,
        "title": hit.title,
        "where": secret.where,
        "path": hit.path,
        "line": hit.line,
        "layer": secret.layer,
        "layer_digest": secret.layer_digest,
        "present_in_final": secret.present_in_final,
        "confidence": hit.confidence,
        "fingerprint": hit.fingerprint,
        "preview": hit.preview,
    }


def _files_json(files: FileTable) -> dict[str, Any]:
    """How many there are, and the first of those whose mode or capabilities matter, and of those whose digest is known."""
    capable = files.capabilities
    rows = zip(files.path, files.kind, files.mode, files.uid, files.gid, files.layer, strict=True)
    notable = [
        {
            "path": path,
            "kind": kind,
            "mode": f"{mode:04o}",
            "uid": uid,
            "gid": gid,
            "layer": layer,
            "capabilities": capable.get(row, ""),
        }
        for row, (path, kind, mode, uid, gid, layer) in enumerate(rows)
        if _is_notable(kind, mode) or row in capable
    ]
    hashed = {files.path[row]: digest.hex() for row, digest in islice(files.sha256.items(), MAX_NOTABLE_FILES)}
    listed = {"count": len(files), "notable": notable[:MAX_NOTABLE_FILES], "sha256": hashed}
    for name, count in (("notable_omitted", len(notable)), ("sha256_omitted", len(files.sha256))):
        if count > MAX_NOTABLE_FILES:
            listed[name] = count - MAX_NOTABLE_FILES
    return listed


def _is_notable(kind: str, mode: int) -> bool:
    """Set-id files, and files or directories anybody may write to without the sticky bit; links have no mode of their own."""
    if kind == SYMLINK:
        return False
    return (kind in (FILE, HARDLINK) and bool(mode & (SETUID | SETGID))) or bool(mode & WORLD_WRITABLE and not mode & STICKY)
