"""Where tags lead, as far as anybody has told or asked: a tag of a repository leads to one digest, or to none."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Subject
from watcher.store.statements import Transactions
from watcher.store.tables import image, reference


class StoredTagHistory:
    """`TagHistory` of watcher/publishing/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def tag_history(self, registry: Host, repository: RepositoryName, digest: Digest) -> Mapping[str, Digest | None]:
        """Every tag that ever led to the digest, with what it leads to now."""

        def run(connection: Connection) -> Mapping[str, Digest | None]:
            place = _place(registry, repository)
            tags = select(reference.c.tag).where(*place, reference.c.image_id == _id_of(digest))
            leading = select(reference.c.tag, image.c.digest).join(image, reference.c.image_id == image.c.id)
            led = leading.where(*place, reference.c.leads, reference.c.tag != "", reference.c.tag.in_(tags))
            found: dict[str, Digest | None] = dict.fromkeys(connection.execute(tags).scalars())
            # Its own last: where it is not known which of two a tag leads to, each has it.
            return found | {tag: Digest(to) for tag, to in sorted(connection.execute(led), key=lambda row: row.digest == digest)}

        return await self._database.read(run)


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
