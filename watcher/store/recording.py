"""How one judged image becomes rows. `prepare` packs and hashes, outside of any transaction; `write` only executes statements."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import msgspec
import zstandard
from sqlalchemy import Connection, delete, select, update

from watcher.model.digest import Digest
from watcher.model.inspection_json import inspection_json
from watcher.model.inventory import FileTable, Inventory, Package
from watcher.model.verdict import Finding, PolicyName, Section, Verdict
from watcher.store.chain import chain_ids
from watcher.store.protocol import Judged
from watcher.store.statements import ids_of, insert_new, pack, parts
from watcher.store.tables import (
    chain,
    findings,
    image,
    image_layer,
    image_set,
    layer,
    package,
    package_set,
    reference,
    set_package,
    verdict,
)

# An image can have millions of world-writable files; the list is for people, and the layers' own lists stay whole.
MAX_NOTABLE_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsBlob:
    """What is kept once per content. As JSON with its fields in this order, so that equal judgements hash equally."""

    findings: tuple[Finding, ...]
    sections: dict[str, Section]
    policies: tuple[PolicyName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """`image.config`: the inventory without its file list, of which only the public JSON's part stays."""

    inventory: Inventory
    files: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """The packages that one layer brought; `packages` are rows by digest."""

    position: int
    digest: bytes
    from_base: bool
    packages: dict[bytes, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One verdict, ready to be written."""

    verdict: Verdict
    findings_digest: bytes
    findings_blob: bytes
    facts: dict[str, Any] | None = None
    layers: tuple[Digest, ...] = ()
    sets: tuple[_Set, ...] = field(default=())


def prepare(judged: Judged) -> Prepared:
    said = judged.verdict
    text = msgspec.json.encode(FindingsBlob(findings=said.findings, sections=said.sections, policies=said.policies))
    prepared = Prepared(verdict=said, findings_digest=sha256(text).digest(), findings_blob=zstandard.compress(text))
    inventory = judged.inventory
    if inventory is None:
        return prepared
    layers = tuple(each.digest for each in inventory.layers)
    facts = {
        "facts_revision": inventory.facts_revision,
        "chain_id": chain_ids(layers)[-1] if layers else None,
        "config": pack(StoredImage(inventory=replace(inventory, files=FileTable()), files=_files(inventory))),
    }
    return replace(prepared, facts=facts, layers=layers, sets=_sets(inventory.packages))


def write(connection: Connection, prepared: Prepared) -> bool:
    """Record image, sets, findings and verdict; false, and nothing done, when the verdict is recorded already."""
    said = prepared.verdict
    if connection.execute(select(verdict.c.id).where(verdict.c.verdict_id == said.id)).first() is not None:
        return False
    image_id = _write_image(connection, prepared)
    insert_new(connection, reference, _reference_rows(said, image_id))
    insert_new(connection, findings, [{"digest": prepared.findings_digest, "blob": prepared.findings_blob}])
    connection.execute(verdict.insert(), _verdict_row(said, image_id, prepared.findings_digest))
    return True


def _write_image(connection: Connection, prepared: Prepared) -> int:
    said = prepared.verdict
    digest, media_type = said.subject.digest, said.media_type
    insert_new(connection, image, [{"digest": digest, "media_type": media_type, "facts_revision": ""}])
    known = connection.execute(select(image.c.id, image.c.facts_revision).where(image.c.digest == digest)).one()
    image_id = int(known.id)
    if prepared.facts is not None:
        connection.execute(update(image).where(image.c.id == image_id).values(media_type=media_type, **prepared.facts))
        if known.facts_revision != prepared.facts["facts_revision"]:
            _write_contents(connection, image_id, prepared)
    return image_id


def _write_contents(connection: Connection, image_id: int, prepared: Prepared) -> None:
    """Replace what the image is made of: the facts of other makers say something else."""
    for table in (image_set, image_layer):
        connection.execute(delete(table).where(table.c.image_id == image_id))
    layer_ids = _layer_ids(connection, prepared.layers)
    at = dict(enumerate(prepared.layers))
    rows = [
        {"image_id": image_id, "position": position, "layer_id": layer_ids[digest]}
        for position, digest in at.items()
        if digest in layer_ids
    ]
    if rows:
        connection.execute(image_layer.insert(), rows)
    set_ids = _write_sets(connection, prepared.sets)
    # Two layers can bring sets of equal content only if a package is installed twice; the lower layer is then the evidence.
    held = [
        {
            "set_id": set_ids[each.digest],
            "image_id": image_id,
            "layer_id": layer_ids.get(at[each.position]) if each.position in at else None,
            "from_base": each.from_base,
        }
        for each in prepared.sets
    ]
    insert_new(connection, image_set, held)
    if prepared.facts is not None and prepared.facts["chain_id"] is not None:
        merged = msgspec.msgpack.encode([[each.position, each.digest] for each in prepared.sets])
        row = {"chain_id": prepared.facts["chain_id"], "layers": len(prepared.layers), "sets": merged}
        connection.execute(delete(chain).where(chain.c.chain_id == row["chain_id"]))
        connection.execute(chain.insert(), row)


def _layer_ids(connection: Connection, digests: Sequence[Digest]) -> dict[str, int]:
    """The rows of those layers whose facts were kept."""
    found: dict[str, int] = {}
    for part in parts(sorted(set(digests))):
        rows = connection.execute(select(layer.c.digest, layer.c.id).where(layer.c.digest.in_(part)))
        found.update((digest, number) for digest, number in rows)
    return found


def _write_sets(connection: Connection, sets: Sequence[_Set]) -> dict[bytes, int]:
    known: dict[bytes, int] = ids_of(connection, package_set, [each.digest for each in sets])
    new = {each.digest: each for each in sets if each.digest not in known}
    if not new:
        return known
    packages = {digest: row for each in new.values() for digest, row in each.packages.items()}
    insert_new(connection, package, [packages[digest] for digest in sorted(packages)])
    package_ids: dict[bytes, int] = ids_of(connection, package, packages)
    insert_new(connection, package_set, [{"digest": digest, "size": len(new[digest].packages)} for digest in sorted(new)])
    new_ids: dict[bytes, int] = ids_of(connection, package_set, new)
    edges = [
        {"package_id": package_ids[member], "set_id": new_ids[digest]} for digest, each in new.items() for member in each.packages
    ]
    insert_new(connection, set_package, sorted(edges, key=lambda edge: (edge["package_id"], edge["set_id"])))
    return known | new_ids


def _sets(packages: Sequence[Package]) -> tuple[_Set, ...]:
    by_layer: defaultdict[int, dict[bytes, dict[str, Any]]] = defaultdict(dict)
    from_base: dict[int, bool] = {}
    for each in packages:
        record = each.record
        detail = msgspec.msgpack.encode(record)
        digest = sha256(detail).digest()
        by_layer[each.layer][digest] = {
            "digest": digest,
            "ecosystem": record.type,
            "name": record.name,
            "version": record.version,
            "source": record.source or record.name,
            "purl": record.purl,
            "detail": detail,
        }
        from_base[each.layer] = each.from_base
    return tuple(
        _Set(position=position, digest=sha256(b"".join(sorted(rows))).digest(), from_base=from_base[position], packages=rows)
        for position, rows in sorted(by_layer.items())
    )


def _files(inventory: Inventory) -> dict[str, Any]:
    files: dict[str, Any] = inspection_json(inventory)["files"]
    notable = files["notable"]
    if len(notable) > MAX_NOTABLE_FILES:
        return files | {"notable": notable[:MAX_NOTABLE_FILES], "notable_omitted": len(notable) - MAX_NOTABLE_FILES}
    return files


def _reference_rows(said: Verdict, image_id: int) -> list[dict[str, Any]]:
    subject = said.subject
    place = {
        "image_id": image_id,
        "registry": subject.registry,
        "repository": subject.repository,
        "environment": subject.environment or "",
    }
    tags: set[str] = {*subject.tags, said.tag or ""}
    # '' is the name of an image without any; beside others it says nothing.
    return [place | {"tag": tag} for tag in sorted(tags - {""}) or [""]]


def _verdict_row(said: Verdict, image_id: int, findings_digest: bytes) -> dict[str, Any]:
    subject = said.subject
    return {
        "verdict_id": said.id,
        "image_id": image_id,
        "outcome": said.outcome.value,
        "registry": subject.registry,
        "repository": subject.repository,
        "digest": subject.digest,
        "environment": subject.environment or "",
        "tag": said.tag or "",
        "tags": " ".join(subject.tags),
        "platform": said.platform,
        "media_type": said.media_type,
        "policy_revision": said.policy_revision,
        "facts_revision": said.facts_revision,
        "data_revision": said.data_revision,
        "engine_version": said.engine_version,
        "evaluated_at": said.evaluated_at,
        "origin_source": said.origin.source if said.origin else None,
        "origin_received_at": said.origin.received_at if said.origin else None,
        "index_digest": said.index_digest,
        "reason": said.reason,
        "findings_digest": findings_digest,
    }
