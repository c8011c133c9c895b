"""Rows of verdicts as the verdicts they are."""

from typing import Any

import msgspec
import zstandard
from sqlalchemy import BindParameter, ColumnElement, Row, Select, exists, select

from watcher.model.digest import Digest
from watcher.model.first_use import known
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Origin, Outcome, Subject, Verdict
from watcher.store.recording import FindingsBlob
from watcher.store.tables import findings, image, verdict


def verdict_rows() -> Select[Any]:
    """Verdicts with their findings, as `verdict_of` reads them."""
    return select(verdict, findings.c.blob).join(findings, findings.c.digest == verdict.c.findings_digest)


def newest_of(digest: Digest | BindParameter[Any]) -> Select[Any]:
    return verdict_rows().where(verdict.c.image_id == image_id_of(digest), verdict.c.stands).order_by(verdict.c.id.desc()).limit(1)


def last_look_at(digest: Digest | BindParameter[Any]) -> Select[Any]:
    """What is known of an image of which nothing stands, since it is gone."""
    return verdict_rows().where(verdict.c.image_id == image_id_of(digest), verdict.c.looked).order_by(verdict.c.id.desc()).limit(1)


def standing_rows() -> Select[Any]:
    """As `verdict_rows`, the newest of every subject."""
    newer = verdict.alias()
    superseded = exists().where(
        newer.c.image_id == verdict.c.image_id,
        newer.c.registry == verdict.c.registry,
        newer.c.repository == verdict.c.repository,
        newer.c.environment == verdict.c.environment,
        newer.c.stands,
        newer.c.id > verdict.c.id,
    )
    return verdict_rows().where(verdict.c.stands, ~superseded)


def image_id_of(digest: Digest | BindParameter[Any]) -> Any:
    return select(image.c.id).where(image.c.digest == digest).scalar_subquery()


def verdict_of(row: Row[Any]) -> Verdict:
    """The very verdict that was recorded."""
    said = msgspec.json.decode(zstandard.decompress(row.blob), type=known(FindingsBlob))
    return Verdict(
        id=row.verdict_id,
        outcome=Outcome(row.outcome),
        subject=subject_of(row),
        tag=Tag(row.tag) if row.tag else None,
        media_type=row.media_type,
        platform=row.platform,
        policies=said.policies,
        policy_revision=row.policy_revision,
        facts_revision=row.facts_revision,
        data_revision=row.data_revision,
        engine_version=row.engine_version,
        evaluated_at=row.evaluated_at,
        findings=said.findings,
        sections=said.sections,
        origin=_origin_of(row),
        index_digest=Digest(row.index_digest) if row.index_digest else None,
        reason=row.reason,
        owner=row.owner,
    )


def _origin_of(row: Row[Any]) -> Origin | None:
    if row.origin_source is None:
        return None
    return Origin(source=row.origin_source, received_at=row.origin_received_at, actor=row.origin_actor)


def subject_of(row: Row[Any]) -> Subject:
    return Subject(
        registry=Host(row.registry),
        repository=RepositoryName(row.repository),
        digest=Digest(row.digest),
        tags=tuple(Tag(tag) for tag in row.tags.split()),
        environment=row.environment or None,
    )


def same_subject(subject: Subject) -> tuple[ColumnElement[bool], ...]:
    """The verdicts of a subject. Its tags may have grown since, so they do not count."""
    return (
        verdict.c.image_id == image_id_of(subject.digest),
        verdict.c.registry == subject.registry,
        verdict.c.repository == subject.repository,
        verdict.c.environment == (subject.environment or ""),
    )
