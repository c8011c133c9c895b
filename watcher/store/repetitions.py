"""What is judged again and again without a word of news leaves two verdicts, not one a day."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, select

from watcher.model.verdict import REEVALUATION
from watcher.store.recording import Prepared
from watcher.store.retention import unused
from watcher.store.rows import same_subject, verdict_of, verdict_rows
from watcher.store.tables import publication, verdict

# Each index that lists an image judges it again; the history of one that more of them list grows.
MOST_LOOKED_AT = 500


def take_place(connection: Connection, recorded: Prepared) -> None:
    """Remove what `recorded`, which repeats the verdict before it, stands for as well; see `VerdictStore.record`."""
    said = recorded.verdict
    if said.origin is None or said.origin.source != REEVALUATION:
        return
    before = (
        select(verdict, exists().where(publication.c.verdict_id == verdict.c.verdict_id).label("told"))
        .where(*same_subject(said.subject), verdict.c.stands, verdict.c.verdict_id != said.id)
        .order_by(verdict.c.id.desc())
        .limit(MOST_LOOKED_AT)
    )
    with connection.execute(before) as rows:
        repeated = (row for row in _but_the_first(_repeated(connection, recorded, rows)) if _says_no_more(row, recorded))
        replaced = next(repeated, None)
    if replaced is not None:
        connection.execute(delete(verdict).where(verdict.c.id == replaced.id))
        connection.execute(unused([replaced.findings_digest]))


def _repeated(connection: Connection, recorded: Prepared, newest_first: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
    """Those that say the same, as far back as nothing else was said in between."""
    for row in newest_first:
        # Equal findings are kept once, so that most need not be unpacked.
        equal = (row.outcome, row.findings_digest) == (recorded.verdict.outcome.value, recorded.findings_digest)
        if not equal:
            whole = connection.execute(verdict_rows().where(verdict.c.id == row.id)).one()
            if not recorded.verdict.repeats(verdict_of(whole)):
                return
        yield row


def _but_the_first(newest_first: Iterator[Row[Any]]) -> Iterator[Row[Any]]:
    """All but the oldest, which tells since when it is so."""
    later = next(newest_first, None)
    for row in newest_first:
        if later is not None:
            yield later
        later = row


def _says_no_more(row: Row[Any], recorded: Prepared) -> bool:
    said = recorded.verdict
    place = (said.index_digest, said.tag or "", " ".join(said.subject.tags))
    return row.origin_source == REEVALUATION and not row.told and (row.index_digest, row.tag, row.tags) == place
