"""Where tags lead, as far as anybody has told or asked: a tag of a repository leads to one digest, or to none."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Subject
from watcher.store.tables import image, reference


def tags_of(connection: Connection, registry: Host, repository: RepositoryName, digest: Digest) -> tuple[Tag, ...]:
    """Sorted."""
    statement = select(reference.c.tag).distinct().where(*_place(registry, repository), reference.c.tag != "", reference.c.leads)
    found = connection.execute(statement.where(reference.c.image_id == _id_of(digest)).order_by(reference.c.tag)).scalars()
    return tuple(Tag(tag) for tag in found)


def led_to(connection: Connection, registry: Host, repository: RepositoryName, tags: Collection[Tag]) -> frozenset[Digest]:
    statement = select(image.c.digest).join(reference, reference.c.image_id == image.c.id)
    rows = connection.execute(
        statement.where(*_place(registry, repository), reference.c.tag.in_(tags), reference.c.leads)
    ).scalars()
    return frozenset(Digest(digest) for digest in rows)


def leave(connection: Connection, registry: Host, repository: RepositoryName, digest: Digest, tags: Collection[Tag]) -> None:
    """From now on these tags are not the digest's."""
    gone = (reference.c.tag.in_(tags), reference.c.image_id == _id_of(digest))
    connection.execute(update(reference).where(*_place(registry, repository), *gone).values(leads=False))


def lead(connection: Connection, subject: Subject) -> None:
    """The subject's tags lead to it, again if they had left it."""
    own = (reference.c.tag.in_(subject.tags), reference.c.image_id == _id_of(subject.digest), ~reference.c.leads)
    connection.execute(update(reference).where(*_place(subject.registry, subject.repository), *own).values(leads=True))


def _place(registry: Host, repository: RepositoryName) -> tuple[ColumnElement[bool], ...]:
    return reference.c.registry == registry, reference.c.repository == repository


def _id_of(digest: Digest) -> Any:
    return select(image.c.id).where(image.c.digest == digest).scalar_subquery()
