"""What is true now of the images of a repository, and which of them a tag led to that are good."""

from collections.abc import Collection, Sequence

from sqlalchemy import Column, ColumnElement, Connection, func, literal, select

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome, Subject, Verdict
from watcher.store.rows import image_id_of, same_subject, standing_rows, verdict_of, verdict_rows
from watcher.store.statements import Transactions
from watcher.store.tables import image, reference, verdict

MOST_KNOWN = 10


class StoredJudgements:
    """`Judgements` of watcher/publishing/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def standing(self, registry: Host, repository: RepositoryName, digest: Digest) -> Sequence[Verdict]:
        """See `Judgements.standing`."""
        place = verdict.c.registry == registry, verdict.c.repository == repository
        statement = standing_rows().where(verdict.c.image_id == image_id_of(digest), *place).order_by(verdict.c.id.desc())
        return await self._database.read(lambda connection: [verdict_of(row) for row in connection.execute(statement)])

    async def known_good(
        self, registry: Host, repository: RepositoryName, tag: Tag, environment: str | None, outcomes: Collection[Outcome]
    ) -> Sequence[Digest]:
        """See `Judgements.known_good`. When it had the tag last is when a verdict named it last."""
        named = verdict.alias()
        here = {"registry": registry, "repository": repository, "environment": environment or ""}
        had = select(reference.c.image_id).where(
            reference.c.tag == tag, *(reference.c[name] == value for name, value in here.items())
        )
        last = (
            select(func.max(named.c.id))
            .where(
                named.c.image_id == verdict.c.image_id,
                *(named.c[name] == value for name, value in here.items()),
                _names(named.c.tags, tag),
            )
            .correlate(verdict)
            .scalar_subquery()
        )
        statement = (
            standing_rows()
            .with_only_columns(image.c.digest)
            .join(image, image.c.id == verdict.c.image_id)
            .where(
                verdict.c.image_id.in_(had),
                *(verdict.c[name] == value for name, value in here.items()),
                verdict.c.outcome.in_([each.value for each in outcomes]),
            )
            # Where no verdict that named it is kept any more, it was long ago.
            .order_by(func.coalesce(last, 0).desc(), verdict.c.id.desc())
            .limit(MOST_KNOWN)
        )

        def run(connection: Connection) -> Sequence[Digest]:
            return [Digest(digest) for digest in connection.execute(statement).scalars()]

        return await self._database.read(run)

    async def judged_by(self, subject: Subject, outcomes: Collection[Outcome], tag: Tag, *, named: bool) -> Sequence[Verdict]:
        """See `Judgements.judged_by`."""
        names = _names(verdict.c.tags, tag)
        statement = (
            verdict_rows()
            .where(*same_subject(subject), verdict.c.outcome.in_([each.value for each in outcomes]), names if named else ~names)
            .order_by(verdict.c.id.desc())
            .limit(MOST_KNOWN)
        )
        return await self._database.read(lambda connection: [verdict_of(row) for row in connection.execute(statement)])


def _names(tags: Column[str], tag: Tag) -> ColumnElement[bool]:
    return (literal(" ") + tags + " ").contains(f" {tag} ", autoescape=True)
