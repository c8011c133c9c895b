"""What is true of every store when somebody is told once more of an image: that it is gone, or what he was told before."""

from dataclasses import replace

from tests.doubles.routes import nobody
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.publication import GONE, Publication, Published
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Outcome
from watcher.store.protocol import Judged, SubjectFilter
from watcher.store.standing import StoredStanding

OTHER = Digest("sha256:" + "d" * 64)


async def gone(bench: StoreBench, digest: Digest = IMAGE, *publishers: str) -> list[tuple[str, str, str]]:
    """What is to be told after an image was found gone."""
    await bench.verdicts.gone(SUBJECT.registry, SUBJECT.repository, digest, publishers or ("bus",))
    return [_row(each) for each in await bench.outbox.due(99)]


def _row(publication: Publication) -> tuple[str, str, str]:
    return publication.verdict_id, publication.publisher, publication.progress


async def test_who_was_told_of_the_image_is_told_once_more(bench: StoreBench) -> None:
    """With the verdict that stands, and that it is gone; nobody else is."""
    await bench.record("v-1", "bus", "log")
    for each in await bench.outbox.due(99):
        await bench.outbox.settle(each, Published())
    await bench.record("v-2", "bus", outcome=Outcome.FAIL)
    await bench.outbox.settle(await bench.take(), Published())
    assert await gone(bench) == [("v-2", "bus", GONE)]


async def test_who_was_told_of_nothing_is_told_all_the_same(bench: StoreBench) -> None:
    """What it keeps may be of a time before the store knew of it."""
    await bench.record("v-1")
    assert await gone(bench) == [("v-1", "bus", GONE)]


async def test_who_is_just_being_told_is_told_again(bench: StoreBench) -> None:
    """What it does now it may have begun before: its end settles nothing."""
    await bench.record("v-1", "bus")
    under_way = await bench.take()
    await bench.verdicts.gone(SUBJECT.registry, SUBJECT.repository, IMAGE, ["bus"])
    await bench.outbox.settle(under_way, Published())
    again = await bench.take()
    assert _row(again) == ("v-1", "bus", GONE)
    await bench.outbox.settle(again, Published())
    assert await bench.due() == []


async def test_an_image_that_comes_back_is_told_of_as_any(bench: StoreBench) -> None:
    """Its verdict takes the place of what nobody was told yet."""
    await bench.record("v-1", "bus")
    await bench.verdicts.gone(SUBJECT.registry, SUBJECT.repository, IMAGE, ["bus"])
    await bench.record("v-2", "bus", outcome=Outcome.FAIL)
    assert [_row(each) for each in await bench.outbox.due(99)] == [("v-2", "bus", "")]


async def test_what_is_gone_is_not_true_now(bench: StoreBench) -> None:
    """It is no current verdict, nobody judges it again, and it is in no other repository either; what was said of it is known."""
    elsewhere = replace(SUBJECT, repository=RepositoryName("team/elsewhere"))
    await bench.record("v-1")
    await bench.record("v-2", subject=elsewhere)
    standing = StoredStanding(bench.database)

    async def true_now() -> tuple[set[str], set[str], set[str]]:
        current = {each.id for each in await bench.images.newest(SubjectFilter())}
        again = {each.repository for each in await standing.subjects()}
        judged = {each.id for each in await bench.judgements.standing(SUBJECT.registry, SUBJECT.repository, IMAGE)}
        return current, {str(each) for each in again}, judged

    both = {str(SUBJECT.repository), str(elsewhere.repository)}
    assert await true_now() == ({"v-1", "v-2"}, both, {"v-1"})
    for _ in range(2):
        await bench.verdicts.gone(SUBJECT.registry, SUBJECT.repository, IMAGE, [])
        assert await true_now() == ({"v-2"}, {str(elsewhere.repository)}, set())
        assert await standing.known(SUBJECT.registry, SUBJECT.repository, IMAGE) is None
        said = await bench.verdicts.latest(IMAGE, registry=SUBJECT.registry, repository=SUBJECT.repository)
        assert said is not None
        assert said.id == "v-1"
    await bench.record("v-3")
    assert await true_now() == ({"v-2", "v-3"}, both, {"v-3"})


async def test_of_what_was_never_judged_nobody_is_told(bench: StoreBench) -> None:
    """And of what was, nobody who does not ask for it."""
    await bench.record("v-1")
    assert await gone(bench, OTHER) == []
    await bench.verdicts.gone(SUBJECT.registry, SUBJECT.repository, IMAGE, [])
    assert await bench.due() == []


async def test_whoever_does_something_else_from_now_on_is_told_again(bench: StoreBench) -> None:
    """The verdict that stands, as if he had never been told; what he still is to be told stays as it is."""
    await bench.record("v-1", "block", "log")
    for each in await bench.outbox.due(99):
        await bench.outbox.settle(each, Published())
    await bench.verdicts.told_again(SUBJECT, ["block"])
    again = await bench.take()
    assert _row(again) == ("v-1", "block", "")
    await bench.outbox.note(again, "half way")
    await bench.verdicts.told_again(SUBJECT, ["block"])
    assert await bench.due() == []
    await bench.outbox.settle(again, Published())
    assert await gone(bench, IMAGE, "block") == [("v-1", "block", GONE)]
    await bench.verdicts.told_again(SUBJECT, ["block"])
    await bench.verdicts.told_again(replace(SUBJECT, digest=OTHER), ["block"])
    assert await bench.due() == []


async def test_what_was_asked_for_another_environment_is_not_told_instead(bench: StoreBench) -> None:
    """However new it is: whoever is told again is told the verdict of the environment he means."""
    await bench.record("v-1")
    elsewhere = replace(SUBJECT, environment="another")
    await bench.verdicts.told_again(elsewhere, ["block"])
    assert await bench.due() == []
    await bench.verdicts.record([Judged(verdict=a_verdict(id="v-2", subject=elsewhere))], nobody)
    await bench.verdicts.told_again(SUBJECT, ["block"])
    assert _row(await bench.take()) == ("v-1", "block", "")
