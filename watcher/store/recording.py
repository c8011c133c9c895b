"""How one judged image becomes rows. `prepare` packs and hashes, outside of any transaction; `write` only executes statements."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import msgspec
import zstandard
from sqlalchemy import Connection, select, update

from watcher.model.inventory import FileTable
from watcher.model.verdict import Finding, PolicyName, Section, Verdict
from watcher.store.chain import chain_ids
from watcher.store.inventories import StoredImage
from watcher.store.packages import PackageSet, runs_of, sets_of, write_sets
from watcher.store.protocol import Judged
from watcher.store.statements import insert_new, pack
from watcher.store.tables import findings, image, reference, verdict
from watcher.store.tags import lead


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsBlob:
    """What is kept once per content. As JSON with its fields in this order, so that equal judgements hash equally."""

    findings: tuple[Finding, ...]
    sections: dict[str, Section]
    policies: tuple[PolicyName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One verdict, ready to be written."""

    verdict: Verdict
    findings_digest: bytes
    findings_blob: bytes
    looked: bool = True
    replaces: str = ""
    facts: dict[str, Any] | None = None
    sets: tuple[PackageSet, ...] = ()


def prepare(judged: Judged) -> Prepared:
    said = judged.verdict
    text = msgspec.json.encode(FindingsBlob(findings=said.findings, sections=said.sections, policies=said.policies))
    prepared = Prepared(
        verdict=said,
        findings_digest=sha256(text).digest(),
        findings_blob=zstandard.compress(text),
        looked=judged.looked,
        replaces=replace(said.subject, digest=judged.replaces).name if judged.replaces is not None else "",
    )
    inventory = judged.inventory
    if inventory is None:
        return prepared
    layers = tuple(each.digest for each in inventory.layers)
    facts = {
        "chain_id": chain_ids(layers)[-1] if layers else None,
        "distro": inventory.distro.release,
        "config": pack(StoredImage(inventory=replace(inventory, packages=(), files=FileTable()), runs=runs_of(inventory.packages))),
    }
    return replace(prepared, facts=facts, sets=sets_of(inventory.packages))


def write(connection: Connection, prepared: Prepared, *, stands: bool, replaces: str = "") -> bool:
    """Record image, sets, findings and verdict; false, and nothing done, when the verdict is recorded already."""
    said = prepared.verdict
    if connection.execute(select(verdict.c.id).where(verdict.c.verdict_id == said.id)).first() is not None:
        return False
    image_id = _write_image(connection, prepared)
    insert_new(connection, reference, _reference_rows(said, image_id))
    # What an index lists is recorded by the tags that it is known by: it may have lost them since, to the index itself.
    if said.subject.tags and said.index_digest is None:
        lead(connection, said.subject)
    insert_new(connection, findings, [{"digest": prepared.findings_digest, "blob": prepared.findings_blob}])
    row = _verdict_row(said, image_id, prepared.findings_digest)
    more = {"looked": prepared.looked, "stands": stands, "replaces": prepared.replaces or replaces}
    connection.execute(verdict.insert(), row | more)
    return True


def _write_image(connection: Connection, prepared: Prepared) -> int:
    digest = prepared.verdict.subject.digest
    insert_new(connection, image, [{"digest": digest}])
    image_id = int(connection.execute(select(image.c.id).where(image.c.digest == digest)).scalar_one())
    if prepared.facts is not None:
        connection.execute(update(image).where(image.c.id == image_id).values(prepared.facts))
        write_sets(connection, image_id, prepared.sets)
    return image_id


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
        "origin_actor": said.origin.actor if said.origin else None,
        "index_digest": said.index_digest,
        "reason": said.reason,
        "owner": said.owner,
        "findings_digest": findings_digest,
    }
