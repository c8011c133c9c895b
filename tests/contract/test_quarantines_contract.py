"""What is kept of images in quarantine, and what is known of others that their tags may lead to."""

from dataclasses import replace
from datetime import timedelta

from tests.doubles.routes import nobody
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import IMAGE, MOMENT, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.quarantine import Measure, Quarantine, QuarantineState, Step, StepState, TagMove
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome, Subject
from watcher.store.protocol import Judged

OTHER = Digest("sha256:" + "d" * 64)
THIRD = Digest("sha256:" + "e" * 64)
HOUR = timedelta(hours=1)
GOOD = (Outcome.PASS, Outcome.WARN)

RECORD = Quarantine(
    publisher="block",
    registry=SUBJECT.registry,
    repository=SUBJECT.repository,
    digest=IMAGE,
    state=QuarantineState.INTENDED,
    reason="a key is in it",
    verdict_id="v-1",
    began_at=MOMENT,
    changed_at=MOMENT,
)


async def found(bench: StoreBench, record: Quarantine = RECORD) -> Quarantine | None:
    return await bench.quarantines.find(record.publisher, record.registry, record.repository, record.digest)


async def test_a_record_is_found_as_it_was_kept(bench: StoreBench) -> None:
    """Every step and tag of it, and what is kept later in its place."""
    assert await found(bench) is None
    move = TagMove(tag=Tag("latest"), to=OTHER, state=StepState.DONE, asked_at=MOMENT, moved_at=MOMENT + HOUR)
    full = replace(
        RECORD,
        steps={Measure.MARK: Step(state=StepState.DONE), Measure.NATIVE: Step(state=StepState.IMPOSSIBLE, detail="no")},
        tags=(move, replace(move, tag=Tag("main"), to=None, moved_at=None, detail="none")),
        passing_since=MOMENT,
        ended_by="me",
        ended_reason="mine",
        excused="f" * 64,
    )
    await bench.quarantines.keep(full)
    assert await found(bench) == full
    await bench.quarantines.keep(RECORD)
    assert await found(bench) == RECORD


async def test_images_publishers_and_places_have_records_of_their_own(bench: StoreBench) -> None:
    """Listed by where they are, the newest first."""
    later = replace(RECORD, repository=RepositoryName("team/web"), began_at=MOMENT + HOUR)
    records = [RECORD, replace(RECORD, publisher="other"), later, replace(RECORD, registry=Host("b.example.com"), digest=OTHER)]
    for each in records:
        await bench.quarantines.keep(each)
    assert [await found(bench, each) for each in records] == records
    assert len(await bench.quarantines.listed()) == 4
    assert (await bench.quarantines.listed())[0] == later
    assert await bench.quarantines.listed(registry=later.registry, repository=later.repository) == [later]
    assert [each.registry for each in await bench.quarantines.listed(digest=OTHER)] == ["b.example.com"]


async def test_so_many_begin_as_may(bench: StoreBench) -> None:
    """Of one publisher and repository since a moment; what is held, planned or elsewhere does not count."""
    since, held = MOMENT - HOUR, replace(RECORD, digest=OTHER)
    for each in (
        replace(RECORD, publisher="other"),
        replace(RECORD, repository=RepositoryName("team/web")),
        replace(RECORD, digest=THIRD, state=QuarantineState.DRY_RUN),
    ):
        await bench.quarantines.keep(each)
    assert await bench.quarantines.begin(RECORD, most=1, since=since) is None
    assert await bench.quarantines.begin(RECORD, most=1, since=since) is None
    assert await bench.quarantines.begin(held, most=1, since=since) == MOMENT
    assert await found(bench, held) == replace(held, state=QuarantineState.HELD)
    await bench.quarantines.keep(replace(RECORD, state=QuarantineState.RELEASED))
    assert await bench.quarantines.begin(held, most=1, since=since) == MOMENT
    assert await bench.quarantines.begin(held, most=1, since=MOMENT) is None
    assert await found(bench, held) == replace(held, state=QuarantineState.INTENDED)


async def test_those_that_are_not_over_are_counted(bench: StoreBench) -> None:
    """By publisher and state; apart, those that pass and wait to be released."""
    states = [*QuarantineState, QuarantineState.IN_FORCE]
    for number, state in enumerate(states):
        passing = MOMENT if number == len(states) - 1 else None
        place = RepositoryName(f"team/app-{number}")
        await bench.quarantines.keep(replace(RECORD, repository=place, state=state, passing_since=passing))
    await bench.quarantines.keep(replace(RECORD, publisher="other", state=QuarantineState.HELD))
    words = {each.value for each in QuarantineState} - {"released"} | {"passing"}
    assert await bench.quarantines.counts() == {("block", word): 1 for word in words} | {("other", "held"): 1}


async def judged(bench: StoreBench, number: int, digest: Digest, outcome: Outcome, *tags: str, place: Subject = SUBJECT) -> None:
    subject = replace(place, digest=digest, tags=tuple(Tag(tag) for tag in tags))
    said = a_verdict(id=f"v-{number}", subject=subject, outcome=outcome, tag=next(iter(subject.tags), None))
    await bench.verdicts.record([Judged(verdict=said)], nobody)


async def test_what_is_true_now_is_the_newest_of_every_environment(bench: StoreBench) -> None:
    """Of one repository, the newest first."""
    staging = replace(SUBJECT, environment="staging")
    await judged(bench, 1, IMAGE, Outcome.PASS, "v1")
    await judged(bench, 2, IMAGE, Outcome.WARN, "v1", place=staging)
    await judged(bench, 3, IMAGE, Outcome.FAIL, "v1")
    await judged(bench, 4, IMAGE, Outcome.PASS, "v1", place=replace(SUBJECT, repository=RepositoryName("team/web")))
    standing = await bench.judgements.standing(SUBJECT.registry, SUBJECT.repository, IMAGE)
    assert [(each.id, each.outcome) for each in standing] == [("v-3", Outcome.FAIL), ("v-2", Outcome.WARN)]
    assert await bench.judgements.standing(SUBJECT.registry, SUBJECT.repository, OTHER) == []


async def known_good(bench: StoreBench, tag: str = "latest", environment: str | None = SUBJECT.environment) -> list[Digest]:
    known = await bench.judgements.known_good(SUBJECT.registry, SUBJECT.repository, Tag(tag), environment, GOOD)
    return [*known]


async def test_what_a_tag_led_to_and_is_good_is_known(bench: StoreBench) -> None:
    """What had it last first, however often another was judged again since; by what is true of it now."""
    await judged(bench, 1, OTHER, Outcome.PASS, "latest", "v1")
    await judged(bench, 2, THIRD, Outcome.WARN, "latest", "v2")
    await judged(bench, 3, OTHER, Outcome.PASS, "v1")
    await judged(bench, 4, IMAGE, Outcome.FAIL, "latest")
    assert await known_good(bench) == [THIRD, OTHER]
    assert await known_good(bench, "v1") == [OTHER]
    assert await known_good(bench, "late") == []
    assert await known_good(bench, environment="staging") == []
    await judged(bench, 5, THIRD, Outcome.UNKNOWN, "v2")
    assert await known_good(bench) == [OTHER]


async def test_what_an_image_was_condemned_for_by_a_tag_is_known(bench: StoreBench) -> None:
    """And what without it: of one environment, the newest first."""
    for number, outcome, tags in (
        (1, Outcome.FAIL, ["latest", "v1"]),
        (2, Outcome.FAIL, ["later", "v1"]),
        (3, Outcome.PASS, ["latest"]),
        (4, Outcome.FAIL, ["latest"]),
        (5, Outcome.FAIL, []),
    ):
        await judged(bench, number, IMAGE, outcome, *tags)
    await judged(bench, 6, IMAGE, Outcome.FAIL, "latest", place=replace(SUBJECT, environment="staging"))
    await judged(bench, 7, OTHER, Outcome.FAIL, "latest")

    async def known(*, named: bool) -> list[str]:
        asked = replace(SUBJECT, digest=IMAGE), [Outcome.FAIL], Tag("latest")
        return [each.id for each in await bench.judgements.judged_by(*asked, named=named)]

    assert await known(named=True) == ["v-4", "v-1"]
    assert await known(named=False) == ["v-5", "v-2"]
