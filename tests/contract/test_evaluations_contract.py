"""What intake, the judge and the sweep ask a store about verdicts."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.store.protocol import Evaluation, Judged, VerdictStore
from watcher.store.verdicts import StoredVerdicts

OTHER = Digest("sha256:" + "e" * 64)


@pytest.fixture(params=[StoredVerdicts])
async def verdicts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VerdictStore]:
    async with open_database(tmp_path / "watcher.db") as database:
        yield request.param(database, lambda: MOMENT)


async def test_evaluations_are_listed_newest_first(verdicts: VerdictStore) -> None:
    """Those of this subject since a moment, by themselves; an index's verdict of its child is not one."""
    for minute in range(4):
        said = a_verdict(id=f"v-{minute}", evaluated_at=MOMENT + timedelta(minutes=minute), policy_revision=f"p{minute}")
        await verdicts.record([Judged(verdict=said)], nobody)
    await verdicts.record(
        [Judged(verdict=a_verdict(id="child", index_digest=OTHER, evaluated_at=MOMENT + timedelta(hours=1)))], nobody
    )
    elsewhere = replace(SUBJECT, repository=RepositoryName("team/other"))
    await verdicts.record([Judged(verdict=a_verdict(id="else", subject=elsewhere))], nobody)

    async def found(limit: int = 20) -> list[Evaluation]:
        since = MOMENT + timedelta(seconds=30)
        return [*await verdicts.evaluations(SUBJECT.registry, SUBJECT.repository, SUBJECT.digest, since=since, limit=limit)]

    assert [each.policy_revision for each in await found()] == ["p3", "p2", "p1"]
    assert (await found(1))[0].evaluated_at == MOMENT + timedelta(minutes=3)
    assert (await found(1))[0].tags == SUBJECT.tags


async def test_what_was_judged_is_known_by_its_tags(verdicts: VerdictStore) -> None:
    """Of one repository: every digest with a verdict, and each tag that was ever seen on it."""
    await verdicts.record([Judged(verdict=a_verdict(id="v-1"))], nobody)
    more = replace(SUBJECT, tags=(Tag("v9"),), environment="qa")
    await verdicts.record([Judged(verdict=a_verdict(id="v-2", subject=more, tag="v9"))], nobody)
    bare = replace(SUBJECT, digest=OTHER, tags=())
    await verdicts.record([Judged(verdict=a_verdict(id="v-3", subject=bare, tag=None))], nobody)
    judged = await verdicts.judged(SUBJECT.registry, SUBJECT.repository)
    assert {digest: set(tags) for digest, tags in judged.items()} == {SUBJECT.digest: {*SUBJECT.tags, "v9"}, OTHER: set()}
    assert await verdicts.judged(SUBJECT.registry, RepositoryName("team/other")) == {}


async def test_what_was_not_there_counts_as_judged_once_it_is(verdicts: VerdictStore) -> None:
    """An image that could not be found has no verdict that holds; the next one does."""
    missing = a_verdict(id="v-1", outcome=Outcome.UNKNOWN, reason="not-found: no such manifest")
    await verdicts.record([Judged(verdict=missing)], nobody)
    assert await verdicts.judged(SUBJECT.registry, SUBJECT.repository) == {}
    await verdicts.record([Judged(verdict=a_verdict(id="v-2"))], nobody)
    assert set(await verdicts.judged(SUBJECT.registry, SUBJECT.repository)) == {SUBJECT.digest}
