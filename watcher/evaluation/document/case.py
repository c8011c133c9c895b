"""A case as the inspection document that rules read. Pure; nothing here looks anything up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from watcher.evaluation.document.clean_text import clean, clean_all, int64
from watcher.evaluation.document.fields import EFFECTIVE_UID, EFFECTIVE_USER, NOT_PRODUCED
from watcher.evaluation.document.files import FileRows, MessageFiles, TableFiles
from watcher.evaluation.document.gathered import gathered
from watcher.evaluation.document.image import image_message
from watcher.evaluation.document.lifecycles import lifecycles
from watcher.evaluation.document.types import message_class
from watcher.evaluation.protocol import Case
from watcher.model.certificates import Certificate, Key
from watcher.model.errors import InvalidReferenceError
from watcher.model.inventory import AttachedSboms, Base, Inventory, Package, PackageRecord, Program, Secret
from watcher.model.leftovers import Leftover, leftovers
from watcher.model.moments import moment_of
from watcher.model.reference import named_parts
from watcher.model.verdict import INSPECTED, SECTIONS, Section, SectionState

COMPLETE = Section()

# What is gathered besides an inspection, and why it is not there when nobody is configured to.
_NOT_CONFIGURED: Mapping[str, str] = {
    "vulnerabilities": "no vulnerability data are configured",
    "provenance": "no verification of attestations is configured",
    "drift": "no comparison with an earlier image is configured",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Everything rules can read about one case. `sections` has the state of every section and of what is not produced.

    `lists` replace lists of that name in every policy. `inspected` false: nothing but `event` is there.
    """

    variables: Mapping[str, Message]
    collections: Mapping[str, Sequence[Message]]
    files: FileRows
    sections: Mapping[str, Section]
    now: datetime
    inspected: bool = True
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def document_of(case: Case) -> Document:
    """The document of a real image."""
    event = message_class("Event")(
        registry=case.subject.registry,
        repository=case.subject.repository,
        tag=case.tag or "",
        tags=list(case.subject.tags),
        digest=case.subject.digest,
        environment=case.subject.environment or "",
        action=case.action,
    )
    inventory = case.inventory
    if inventory is None:
        nothing = Section(state=SectionState.MISSING, reason="the image was not inspected")
        return Document(
            variables={"event": event},
            collections={},
            files=MessageFiles(messages=()),
            sections=dict.fromkeys((*SECTIONS, EFFECTIVE_USER, EFFECTIVE_UID, *NOT_PRODUCED), nothing),
            now=case.now,
            inspected=False,
        )
    digests = [layer.digest for layer in inventory.layers]
    brought = gathered(case.knowledge)
    missing = frozenset(inventory.sbom.missing)
    base_layers = inventory.base.known_layers
    over = lifecycles().is_over(inventory.distro, case.now)
    return Document(
        variables={
            "event": event,
            "image": image_message(inventory),
            "base": _base(inventory.base),
            "distro": _distro(inventory, over=over),
            "sbom": _sbom(inventory.sbom),
            **brought.variables,
        },
        collections={
            "packages": [_package(package, digests) for package in inventory.packages],
            "declared": [_package(package, digests) for package in inventory.declared],
            "sbom_missing": [_package(each, digests) for each in inventory.packages if each.record.purl in missing],
            "sbom_extra": [_record(each) for each in inventory.sbom.extra],
            "programs": [_executable(program, digests) for program in inventory.programs],
            "certificates": [_certificate(certificate, digests) for certificate in inventory.certificates],
            "keys": [_key(key, digests) for key in inventory.keys],
            "leftovers": [_leftover(leftover, digests, base_layers) for leftover in leftovers(inventory.files)],
            "secrets": [_secret(secret) for secret in inventory.secrets],
            "users": [
                message_class("Account")(
                    name=clean(user.name),
                    uid=int64(user.uid),
                    gid=int64(user.gid),
                    home=clean(user.home),
                    shell=clean(user.shell),
                )
                for user in inventory.users
            ],
            **brought.collections,
        },
        files=TableFiles(
            table=inventory.files,
            layer_digests=digests,
            base_layers=base_layers,
        ),
        sections=_sections(inventory, brought.sections if over is None else {**brought.sections, "lifecycle": COMPLETE}),
        now=case.now,
    )


def with_effective_user(sections: Mapping[str, Section], user: str, *, known: bool) -> dict[str, Section]:
    """Add what `effective_uid` rests on: /etc/passwd, unless USER is missing or a number, and that it is `known`."""
    number = known and re.fullmatch(r"[+-]?[0-9]*(:.*)?", user, re.DOTALL) is not None
    rests_on = COMPLETE if number else sections.get("users", COMPLETE)
    nobody = f"no runtime starts USER {clean(user)[:200]!r} with the /etc/passwd and /etc/group of this image"
    unset = not known and rests_on.state is SectionState.COMPLETE
    uid = Section(state=SectionState.MISSING, reason=nobody) if unset else COMPLETE
    return {**sections, EFFECTIVE_USER: rests_on, EFFECTIVE_UID: uid}


def _sections(inventory: Inventory, gathered: Mapping[str, Section]) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    for name in SECTIONS:
        if name not in INSPECTED:
            nobody = Section(state=SectionState.NOT_CONFIGURED, reason=_NOT_CONFIGURED[name])
            sections[name] = gathered.get(name, nobody)
        elif name in inventory.sections:
            sections[name] = inventory.sections[name]
        else:
            sections[name] = Section(state=SectionState.MISSING, reason="the inspection says nothing of it")
    if not inventory.base.known and sections["base"].state is SectionState.COMPLETE:
        sections["base"] = Section(state=SectionState.MISSING, reason="the base image could not be identified")
    for name, reason in NOT_PRODUCED.items():
        sections[name] = gathered.get(name, Section(state=SectionState.MISSING, reason=reason))
    return with_effective_user(sections, inventory.config.user, known=inventory.effective_uid is not None)


def _base(base: Base) -> Message:
    if not base.known:
        return message_class("Base")(known=False)
    origin = _from(base.reference, base.digest)
    return message_class("Base")(
        known=True, how=base.how, image=origin, froms=[origin], ancestors=[origin], layer_count=base.layer_count
    )


def _from(reference: str, digest: str | None) -> Message:
    try:
        parts = named_parts(reference)
    except InvalidReferenceError:
        parts = {"ref": clean(reference)}
    return message_class("From")(**{**parts, "digest": digest or parts.get("digest", "")})


def _distro(inventory: Inventory, *, over: bool | None) -> Message:
    distro = inventory.distro
    return message_class("Distro")(
        id=clean(distro.id),
        version=clean(distro.version),
        name=clean(distro.name),
        like=clean_all(distro.like),
        known=distro.known,
        eol=bool(over),
    )


def _package(package: Package, digests: Sequence[str]) -> Message:
    return _record(
        package.record,
        path=clean("/" + package.path.lstrip("/")),
        layer=package.layer,
        layer_digest=digests[package.layer] if 0 <= package.layer < len(digests) else "",
        from_base=package.from_base,
        owner=clean(package.owner),
    )


def _record(record: PackageRecord, **place: Any) -> Message:
    """A package in its `place`, in none for one that is only said to be somewhere."""
    return message_class("Package")(
        type=clean(record.type),
        name=clean(record.name),
        version=clean(record.version),
        architecture=clean(record.architecture),
        source_name=clean(record.source),
        source_version=clean(record.source_version),
        licenses=clean_all(record.licenses),
        maintainer=clean(record.maintainer),
        purl=clean(record.purl),
        **place,
    )


def _sbom(sboms: AttachedSboms) -> Message:
    documents = [
        message_class("SbomDocument")(
            source=each.source, digest=each.digest, format=clean(each.format), tool=clean(each.tool), packages=int64(each.packages)
        )
        for each in sboms.documents
    ]
    return message_class("AttachedSboms")(attached=bool(documents), documents=documents)


def _executable(program: Program, digests: Sequence[str]) -> Message:
    return message_class("Executable")(size=int64(program.size), **_place(program, digests))


def _place(found: Program | Certificate | Key, digests: Sequence[str]) -> dict[str, Any]:
    """The file that it is in, and the layer that brought it."""
    return {
        "path": clean("/" + found.path),
        "layer": found.layer,
        "layer_digest": digests[found.layer],
        "from_base": found.from_base,
    }


def _certificate(certificate: Certificate, digests: Sequence[str]) -> Message:
    record = certificate.record
    made: Any = message_class("Certificate")(
        position=record.position,
        roots=certificate.roots,
        subject=clean(record.subject),
        issuer=clean(record.issuer),
        self_signed=record.self_signed,
        ca=record.ca,
        key_algorithm=record.key_algorithm,
        key_bits=record.key_bits,
        signature_algorithm=record.signature_algorithm,
        sha256=record.sha256,
        **_place(certificate, digests),
    )
    for name in ("not_before", "not_after"):
        if (moment := moment_of(getattr(record, name))) is not None:
            getattr(made, name).FromDatetime(moment)
    return made  # type: ignore[no-any-return]


def _key(key: Key, digests: Sequence[str]) -> Message:
    record = key.record
    return message_class("Key")(
        position=record.position,
        kind=record.kind,
        algorithm=record.algorithm,
        bits=record.bits,
        encrypted=record.encrypted,
        **_place(key, digests),
    )


def _leftover(leftover: Leftover, digests: Sequence[str], base_layers: int) -> Message:
    return message_class("Leftover")(
        kind=leftover.kind,
        tool=leftover.tool,
        path=clean("/" + leftover.path),
        files=leftover.files,
        size=int64(leftover.size),
        layer=leftover.layer,
        layer_digest=digests[leftover.layer],
        from_base=leftover.layer < base_layers,
    )


def _secret(secret: Secret) -> Message:
    hit = secret.hit
    made: Any = message_class("SecretFound")(
        rule=clean(hit.rule),
        title=clean(hit.title),
        path=clean("/" + hit.path.lstrip("/") if secret.where == "file" else hit.path),
        line=hit.line or 0,
        layer_digest=secret.layer_digest or "",
        where=secret.where,
        confidence=hit.confidence,
        present_in_final=secret.present_in_final,
    )
    if secret.layer is not None:
        made.layer = secret.layer
    return made  # type: ignore[no-any-return]
