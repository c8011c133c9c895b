"""What is done to an image that fails, and what is not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.doubles.quarantine_bench import ALL, APP, BAD, FIXED, GOOD, MemoryBench, quarantine_bench
from watcher.model.errors import RetryableError
from watcher.model.quarantine import Measure, QuarantineState, marker_tag
from watcher.model.verdict import Outcome
from watcher.testing.faults import Fault
from watcher.testing.registry import Switches

pytestmark = pytest.mark.enable_socket

MARKER = marker_tag(BAD.digest)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[MemoryBench]:
    async with quarantine_bench(tmp_path) as opened:
        yield opened


async def test_an_image_that_fails_is_marked(bench: MemoryBench) -> None:
    """By one more tag, of the very bytes under the type that they had; nothing else is changed, and it is recorded why."""
    verdict = await bench.pushed_bad(BAD, "v1", "latest")
    await bench.tell(verdict, bench.publisher(actions=(Measure.MARK,)))
    assert bench.tags == {"v1": BAD.digest, "latest": BAD.digest, MARKER: BAD.digest}
    assert bench.registry.content.existing(APP).manifests[BAD.digest].raw == BAD.raw
    record = await bench.found()
    assert record.state is QuarantineState.IN_FORCE
    assert record.reason.startswith("baseline/aws-keys: AWS access key")
    assert (record.verdict_id, await bench.steps()) == (verdict.id, {"mark": "done"})


async def test_a_dry_run_says_what_would_be_done(bench: MemoryBench) -> None:
    """And writes nothing, however often; when the image passes there is nothing to take back."""
    await bench.known_good()
    verdict = await bench.pushed_bad()
    for _ in range(2):
        await bench.tell(verdict, bench.publisher(dry_run=True))
    assert bench.writes() == 0
    assert (await bench.found()).state is QuarantineState.DRY_RUN
    assert await bench.steps() == {"mark": "planned", "latest": "planned"}
    assert (await bench.found()).tags[0].to == GOOD.digest
    await bench.tell(await bench.judged(BAD.digest, Outcome.PASS, "latest"), bench.publisher(dry_run=True))
    assert (await bench.found()).state is QuarantineState.RELEASED
    assert await bench.steps() == {}


async def test_what_a_dry_run_found_is_done_in_earnest(bench: MemoryBench) -> None:
    """Once it is told again without."""
    verdict = await bench.pushed_bad()
    await bench.tell(verdict, bench.publisher(dry_run=True))
    await bench.tell(verdict)
    assert bench.tags == {MARKER: BAD.digest}
    assert (await bench.found()).state is QuarantineState.IN_FORCE


async def test_a_dry_run_is_the_default() -> None:
    """And marking is the only measure that is taken unless others are asked for."""
    from watcher.publishing.quarantine.settings import QuarantinePublisherSettings

    settings = QuarantinePublisherSettings()
    assert (settings.dry_run, settings.actions, settings.outcomes) == (True, (Measure.MARK,), (Outcome.FAIL,))


async def test_a_protected_repository_stays_a_dry_run(bench: MemoryBench) -> None:
    """Whatever is asked for elsewhere."""
    await bench.tell(await bench.pushed_bad(), bench.publisher(protected=(f"{bench.host}/team/*",)))
    assert (bench.writes(), (await bench.found()).state) == (0, QuarantineState.DRY_RUN)


async def test_a_movable_tag_goes_back_to_what_was_good(bench: MemoryBench) -> None:
    """The image that had it last and passes; a tag that names a version stays, whatever it leads to."""
    await bench.known_good(FIXED)
    await bench.known_good(GOOD)
    await bench.tell(await bench.pushed_bad(BAD, "latest", "v2"))
    assert bench.tags == {"latest": GOOD.digest, "v2": BAD.digest, MARKER: BAD.digest}


async def test_what_fails_is_never_led_to(bench: MemoryBench) -> None:
    """Nor what is not there any more, nor what could not be decided: the tag goes."""
    await bench.known_good(GOOD)
    bench.registry.content.existing(APP).delete_manifest(GOOD.digest)
    await bench.known_good(FIXED)
    await bench.judged(FIXED.digest, Outcome.UNKNOWN, "latest")
    await bench.tell(await bench.pushed_bad())
    assert bench.tags == {MARKER: BAD.digest}


async def test_what_is_good_elsewhere_is_not_good_here(bench: MemoryBench) -> None:
    """An image counts by its verdict in the environment of the one that fails."""
    bench.environment = "staging"
    await bench.known_good(GOOD)
    bench.environment = "production"
    await bench.tell(await bench.pushed_bad())
    assert bench.tags == {MARKER: BAD.digest}


async def test_a_tag_that_leads_elsewhere_is_left_alone(bench: MemoryBench) -> None:
    """Somebody has pushed what is mended before we came to it."""
    await bench.known_good(GOOD)
    verdict = await bench.pushed_bad()
    bench.put(FIXED, "latest")
    await bench.tell(verdict)
    assert bench.tags == {"latest": FIXED.digest, MARKER: BAD.digest}
    assert await bench.steps() == {"mark": "done"}


async def test_a_tag_that_is_just_being_pushed_is_left_for_a_moment(bench: MemoryBench) -> None:
    """The event of another image is here, and the registry does not show it yet."""
    await bench.known_good(GOOD)
    verdict = await bench.pushed_bad()
    await bench.pushed(FIXED.digest, "latest")
    with pytest.raises(RetryableError) as raised:
        await bench.tell(verdict)
    assert raised.value.reason == "tag-unsettled"
    bench.clock.advance(raised.value.retry_after_seconds or 0.0)
    bench.clock.advance(0.1)
    await bench.tell(verdict)
    assert bench.tags["latest"] == GOOD.digest


async def test_a_marker_is_never_moved_and_never_good(bench: MemoryBench) -> None:
    """Whatever tags may be moved; whoever may push may have made it."""
    others = marker_tag(GOOD.digest)
    bench.put(GOOD, MARKER)
    await bench.tell(await bench.pushed_bad(BAD, others), bench.publisher(movable_tags=".*"))
    assert bench.tags == {others: BAD.digest, MARKER: BAD.digest}


async def test_telling_again_changes_nothing(bench: MemoryBench) -> None:
    """What is done already is seen to be, and not done again."""
    await bench.known_good()
    verdict = await bench.pushed_bad()
    await bench.tell(verdict)
    writes, before = bench.writes(), await bench.found()
    await bench.tell(verdict)
    assert (bench.writes(), await bench.found()) == (writes, before)


async def test_who_pushes_it_again_by_the_tag_changes_nothing(bench: MemoryBench) -> None:
    """It is led away again."""
    await bench.known_good()
    verdict = await bench.pushed_bad()
    await bench.tell(verdict)
    bench.put(BAD, "latest")
    await bench.tell(verdict)
    assert bench.tags["latest"] == GOOD.digest


async def test_what_could_not_be_decided_is_no_reason(bench: MemoryBench) -> None:
    """Unless the operator says so."""
    bench.put(BAD, "latest")
    verdict = await bench.judged(BAD.digest, Outcome.UNKNOWN, "latest", reason="damaged")
    await bench.tell(verdict)
    assert await bench.context.quarantines.listed() == []
    await bench.tell(verdict, bench.publisher(outcomes=(Outcome.FAIL, Outcome.UNKNOWN)))
    assert (await bench.found()).reason == "damaged"


async def test_what_is_asked_for_another_environment_is_only_a_question(bench: MemoryBench) -> None:
    """CI may ask what an image would be elsewhere: no registry is changed for that, neither way."""
    bench.environment = "strict"
    asked = await bench.pushed_bad()
    bench.environment = "production"
    await bench.tell(asked)
    assert (await bench.context.quarantines.listed(), bench.writes()) == ([], 0)
    await bench.tell(await bench.pushed_bad())
    bench.environment = "lax"
    asked = await bench.judged(BAD.digest, Outcome.PASS, "latest")
    bench.environment = "production"
    await bench.tell(asked)
    assert (await bench.found()).passing_since is None


async def test_an_immutable_tag_is_said_to_stay(tmp_path: Path) -> None:
    """The other measures are taken, and it is said once."""
    async with quarantine_bench(tmp_path, Switches(immutable_tags=True)) as bench:
        await bench.known_good(tag="v0")
        bench.put(BAD, "latest")
        await bench.judged(GOOD.digest, Outcome.PASS, "latest", "v0")
        verdict = await bench.judged(BAD.digest, Outcome.FAIL, "latest")
        with capture_logs() as logs:
            for _ in range(2):
                await bench.tell(verdict)
        assert bench.tags == {"v0": GOOD.digest, "latest": BAD.digest, MARKER: BAD.digest}
        assert await bench.steps() == {"mark": "done", "latest": "impossible"}
        (said,) = [each for each in logs if each["event"] == "quarantine.begun"]
        assert "immutable" in said["refused"][0]


async def test_a_registry_that_takes_no_tag_away_is_said_to_keep_it(tmp_path: Path) -> None:
    """Distribution before version 3, with nothing good to lead the tag to."""
    async with quarantine_bench(tmp_path, Switches(tag_delete=False)) as bench:
        await bench.tell(await bench.pushed_bad())
        assert bench.tags == {"latest": BAD.digest, MARKER: BAD.digest}
        (move,) = (await bench.found()).tags
        assert "takes no tag away" in move.detail


async def test_where_an_image_would_go_with_its_tag_none_is_taken_away(tmp_path: Path) -> None:
    """It is not even asked for: at GitHub a tag goes with its version alone."""
    async with quarantine_bench(tmp_path, kind="ghcr") as bench:
        await bench.tell(await bench.pushed_bad())
        assert bench.tags == {"latest": BAD.digest, MARKER: BAD.digest}
        assert "takes no tag away" in (await bench.found()).tags[0].detail
        assert bench.registry.requests["DELETE manifests"] == 0


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 412])
async def test_a_registry_that_only_reads_is_no_success(bench: MemoryBench, status: int) -> None:
    """Nothing could be done: that is recorded with the reasons, and nothing is half done."""
    await bench.known_good()
    verdict = await bench.pushed_bad()
    bench.registry.faults.add(Fault(method="PUT|DELETE", status=status, times=100))
    with capture_logs() as logs:
        for _ in range(2):
            await bench.tell(verdict)
    assert (await bench.found()).state is QuarantineState.FAILED
    assert await bench.steps() == {"mark": "impossible", "latest": "impossible"}
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["quarantine.failed"]
    bench.registry.faults.clear()
    await bench.tell(verdict)
    assert (await bench.found()).state is QuarantineState.IN_FORCE
    assert bench.tags == {"latest": GOOD.digest, MARKER: BAD.digest}


async def test_what_a_registry_can_not_do_itself_is_said(bench: MemoryBench) -> None:
    """`native` where there is nothing of the kind is no success."""
    await bench.tell(await bench.pushed_bad(), bench.publisher(actions=(Measure.NATIVE,)))
    assert (await bench.found()).state is QuarantineState.FAILED
    assert "can do nothing of its own" in (await bench.found()).steps[Measure.NATIVE].detail


async def test_an_image_of_an_index_counts_by_its_own_tags(bench: MemoryBench) -> None:
    """What none leads to is not touched: the index has a verdict of its own."""
    bench.put(BAD, None)
    part = await bench.judged(BAD.digest, Outcome.FAIL, index_digest=GOOD.digest)
    await bench.tell(part)
    assert (await bench.context.quarantines.listed(), bench.writes()) == ([], 0)
    await bench.tell(await bench.pushed_bad(index_digest=GOOD.digest))
    assert bench.tags == {MARKER: BAD.digest}


async def test_more_than_the_budget_waits(bench: MemoryBench) -> None:
    """A policy that is wrong does not take a whole repository away: it is said once, and goes on when the hour has passed."""
    one, two = await bench.pushed_bad(BAD, "v1"), await bench.pushed_bad(FIXED, "v2")
    publisher = bench.publisher(per_hour=1)
    await bench.tell(one, publisher)
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(RetryableError) as raised:
                await bench.tell(two, publisher)
    assert (raised.value.reason, raised.value.retry_after_seconds) == ("quarantine-held", 3600.0)
    assert [each["event"] for each in logs].count("quarantine.held") == 1
    assert (await bench.found(FIXED.digest)).state is QuarantineState.HELD
    await bench.tell(one, publisher)  # what is begun goes on
    bench.clock.advance(3600.0)
    await bench.tell(two, publisher)
    assert (await bench.found(FIXED.digest)).state is QuarantineState.IN_FORCE


async def test_what_waits_and_passes_is_over(bench: MemoryBench) -> None:
    """Nothing of it was done."""
    await bench.tell(await bench.pushed_bad(GOOD, "v1"), bench.publisher(per_hour=1))
    with pytest.raises(RetryableError):
        await bench.tell(await bench.pushed_bad(BAD, "v2"), bench.publisher(per_hour=1))
    await bench.tell(await bench.judged(BAD.digest, Outcome.PASS, "v2"), bench.publisher(per_hour=1))
    assert (await bench.found()).state is QuarantineState.RELEASED


async def test_a_dry_run_takes_nothing_of_the_budget(bench: MemoryBench) -> None:
    """It is only a plan."""
    for image, tag in ((GOOD, "v1"), (FIXED, "v2")):
        await bench.tell(await bench.pushed_bad(image, tag), bench.publisher(dry_run=True, per_hour=1))
    await bench.tell(await bench.pushed_bad(), bench.publisher(per_hour=1))
    assert (await bench.found()).state is QuarantineState.IN_FORCE


async def test_what_is_gone_is_over(bench: MemoryBench) -> None:
    """Told so, or found so."""
    verdict = await bench.pushed_bad()
    await bench.tell(verdict)
    bench.registry.content.existing(APP).delete_manifest(BAD.digest)
    await bench.gone(verdict)
    assert ((await bench.found()).state, (await bench.found()).ended_reason) == (QuarantineState.RELEASED, "the image is gone")
    again = await bench.judged(BAD.digest, Outcome.FAIL, "latest")
    await bench.tell(again)
    assert (await bench.found()).state is QuarantineState.RELEASED


async def test_deleting_must_be_said_twice(bench: MemoryBench) -> None:
    """Then it is done, last of all; and what is an index, or part of one, only where nothing good goes with it."""
    with pytest.raises(ValueError, match="allow_delete"):
        bench.publisher(actions=(Measure.DELETE,))
    deleting = bench.publisher(actions=(*ALL, Measure.DELETE), allow_delete=True)
    await bench.known_good()
    verdict = await bench.pushed_bad(index_digest=GOOD.digest)
    await bench.tell(verdict, deleting)
    assert (await bench.steps())["delete"] == "impossible"
    verdict = await bench.pushed_bad()
    await bench.tell(verdict, deleting)
    assert bench.tags == {"latest": GOOD.digest}
    await bench.gone(verdict)
    assert (await bench.found()).state is QuarantineState.IN_FORCE
