"""How a quarantine ends: when the image passes, by hand, and what is left alone then."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.doubles.quarantine_bench import APP, BAD, FIXED, GOOD, MemoryBench, quarantine_bench
from tests.doubles.verdicts import FINDING
from watcher.model.errors import AuthenticationError, RetryableError
from watcher.model.quarantine import QuarantineState, marker_tag
from watcher.model.verdict import Action, Outcome, Verdict
from watcher.publishing.quarantine.decision import fingerprint
from watcher.publishing.quarantine.protocol import Condemned
from watcher.publishing.quarantine.release import release
from watcher.publishing.quarantine.steps import Ground
from watcher.testing.faults import Fault
from watcher.testing.registry import Switches

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]

MARKER = marker_tag(BAD.digest)
IN_QUARANTINE = {"latest": GOOD.digest, "v2": BAD.digest, MARKER: BAD.digest}
AS_BEFORE = {"latest": BAD.digest, "v2": BAD.digest}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[MemoryBench]:
    async with quarantine_bench(tmp_path) as opened:
        yield opened


async def in_quarantine(bench: MemoryBench) -> Verdict:
    await bench.known_good()
    verdict = await bench.pushed_bad(BAD, "latest", "v2")
    await bench.tell(verdict)
    assert bench.tags == IN_QUARANTINE
    # What lost a tag is judged without it where rules read tags, and sooner or later elsewhere.
    await bench.judged(BAD.digest, Outcome.FAIL, "v2")
    return verdict


async def passes(bench: MemoryBench, outcome: Outcome = Outcome.PASS) -> Verdict:
    """As it is judged again, known by the tag that still leads to it."""
    return await bench.judged(BAD.digest, outcome, "v2")


async def released_by_hand(bench: MemoryBench) -> None:
    """As the command does it."""
    record, context = await bench.found(), bench.context
    (condemned,) = await context.judgements.standing(bench.host, APP, BAD.digest)
    access = context.registries.access(bench.host)
    image = Condemned(repository=APP, digest=BAD.digest, reason="")
    ground = Ground(access=access, driver=context.driver(access), image=image, clock=bench.clock)
    excused = fingerprint(condemned)
    await release(record, ground, context.quarantines, context.pushes, bench.clock, by="me", reason="mine", excused=excused)


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.WARN])
async def test_what_passes_for_long_enough_is_released(bench: MemoryBench, outcome: Outcome) -> None:
    """Its tags lead to it again and the marker is gone; until then nothing is changed."""
    await in_quarantine(bench)
    passing = await passes(bench, outcome)
    with pytest.raises(RetryableError) as raised:
        await bench.tell(passing)
    assert (raised.value.reason, raised.value.retry_after_seconds) == ("quarantine-passing", 600.0)
    assert bench.tags == IN_QUARANTINE
    bench.clock.advance(600)
    await bench.tell(passing)
    assert bench.tags == AS_BEFORE
    record = await bench.found()
    assert (record.state, record.ended_by) == (QuarantineState.RELEASED, "watcher")
    assert record.ended_reason == f"the verdict is {outcome.value}"


async def test_what_goes_back_and_forth_moves_nothing(bench: MemoryBench) -> None:
    """It must have passed without a break."""
    failing = await in_quarantine(bench)
    for _ in range(3):
        with pytest.raises(RetryableError):
            await bench.tell(await passes(bench))
        bench.clock.advance(400)
        writes = bench.writes()
        await bench.tell(await passes(bench, Outcome.FAIL))
        bench.clock.advance(400)
        assert bench.writes() == writes
    assert bench.tags == IN_QUARANTINE
    assert (await bench.found()).verdict_id != failing.id


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.NOT_APPLICABLE])
async def test_what_could_not_be_decided_releases_nothing(bench: MemoryBench, outcome: Outcome) -> None:
    """That nobody could look says nothing for the image."""
    await in_quarantine(bench)
    verdict = await passes(bench, outcome)
    bench.clock.advance(10_000)
    await bench.tell(verdict)
    assert bench.tags == IN_QUARANTINE
    assert (await bench.found()).state is QuarantineState.IN_FORCE


async def test_tags_that_others_have_led_elsewhere_are_theirs(bench: MemoryBench) -> None:
    """A tag, and even the marker; one that leads nowhere comes back."""
    await in_quarantine(bench)
    bench.put(FIXED, "latest")
    bench.put(FIXED, MARKER)
    passing = await passes(bench)
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    await bench.tell(passing)
    assert bench.tags == {"latest": FIXED.digest, "v2": BAD.digest, MARKER: FIXED.digest}
    assert await bench.steps() == {"mark": "undone", "latest": "left"}


async def test_a_tag_that_was_taken_away_comes_back(bench: MemoryBench) -> None:
    """Where nothing good was known."""
    await bench.tell(await bench.pushed_bad(BAD, "latest", "v2"))
    assert "latest" not in bench.tags
    await passes(bench, Outcome.FAIL)
    passing = await passes(bench)
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    await bench.tell(passing)
    assert bench.tags == AS_BEFORE


async def test_a_registry_that_takes_no_tag_away_keeps_the_marker(tmp_path: Path) -> None:
    """The image itself is never deleted for it."""
    async with quarantine_bench(tmp_path, Switches(tag_delete=False)) as bench:
        await in_quarantine(bench)
        passing = await passes(bench)
        with pytest.raises(RetryableError):
            await bench.tell(passing)
        bench.clock.advance(600)
        await bench.tell(passing)
        assert bench.tags == AS_BEFORE | {MARKER: BAD.digest}
        assert await bench.steps() == {"mark": "left", "latest": "undone"}
        assert (await bench.found()).state is QuarantineState.RELEASED


async def test_a_registry_that_is_down_is_waited_for(bench: MemoryBench) -> None:
    """In the middle of it, either way; nothing is said to be done that is not."""
    await bench.known_good()
    verdict = await bench.pushed_bad(BAD, "latest", "v2")
    bench.registry.faults.add(Fault(method="PUT", path=".*/latest", status=503, times=100))
    with pytest.raises(RetryableError):
        await bench.tell(verdict)
    assert await bench.steps() == {"mark": "done", "latest": "intended"}
    assert (await bench.found()).state is QuarantineState.INTENDED
    bench.registry.faults.clear()
    await bench.tell(verdict)
    assert bench.tags == IN_QUARANTINE
    await passes(bench, Outcome.FAIL)
    passing = await passes(bench)
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    bench.registry.faults.add(Fault(method="PUT", path=".*/latest", status=503, times=100))
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    assert (await bench.found()).state is QuarantineState.RELEASING
    bench.registry.faults.clear()
    await bench.tell(passing)
    assert (bench.tags, (await bench.found()).state) == (AS_BEFORE, QuarantineState.RELEASED)


async def test_a_verdict_that_flips_half_way_is_followed(bench: MemoryBench) -> None:
    """What was done until then is taken back in its time, and nothing more is done."""
    await bench.known_good()
    failing = await bench.pushed_bad(BAD, "latest", "v2")
    publisher, flipped = bench.publisher(), False
    keep = bench.context.quarantines.keep

    class Flipping:
        """Quarantines of which the first that is marked passes at once."""

        def __getattr__(self, name: str) -> object:
            return getattr(bench.context.quarantines, name)

        async def keep(self, record: object) -> None:
            nonlocal flipped
            await keep(record)  # type: ignore[arg-type]
            if (await bench.steps()).get("mark") == "done" and not flipped:
                flipped = True
                await passes(bench)

    context = replace(bench.context, quarantines=Flipping())  # type: ignore[arg-type]
    await bench.tell(failing, bench.publisher(context))
    assert flipped
    assert bench.tags == {**AS_BEFORE, MARKER: BAD.digest}
    (passing,) = await bench.context.judgements.standing(bench.host, APP, BAD.digest)
    with pytest.raises(RetryableError):
        await bench.tell(passing, publisher)
    bench.clock.advance(600)
    await bench.tell(passing, publisher)
    assert (bench.tags, (await bench.found()).state) == (AS_BEFORE, QuarantineState.RELEASED)


async def test_what_fails_while_it_is_released_is_quarantined_again(bench: MemoryBench) -> None:
    """From wherever its release had come."""
    await in_quarantine(bench)
    passing = await passes(bench)
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    bench.registry.faults.add(Fault(method="DELETE", status=503, times=100))
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    assert bench.tags == AS_BEFORE | {MARKER: BAD.digest}
    bench.registry.faults.clear()
    failing = await bench.judged(BAD.digest, Outcome.FAIL, "latest", "v2")
    await bench.tell(failing)
    assert bench.tags == IN_QUARANTINE
    await bench.tell(passing)  # late, and overtaken
    record = await bench.found()
    assert (bench.tags, record.state, record.ended_by) == (IN_QUARANTINE, QuarantineState.IN_FORCE, "")


async def test_what_a_person_released_stays_released(bench: MemoryBench) -> None:
    """For what was found until then; something else is a new matter, and so is the same once it had passed."""
    verdict = await in_quarantine(bench)
    await released_by_hand(bench)
    assert bench.tags == AS_BEFORE
    by_its_tag = (FINDING, replace(FINDING, key="movable", action=Action.WARN))  # what a tag that is back may bring along
    same = await bench.judged(BAD.digest, Outcome.FAIL, "latest", "v2", findings=by_its_tag)
    for said in (verdict, await bench.judged(BAD.digest, Outcome.FAIL, "latest", "v2"), same):
        await bench.tell(said)
        assert bench.tags == AS_BEFORE
    other = await bench.judged(BAD.digest, Outcome.FAIL, "latest", "v2", findings=(replace(FINDING, key="another"),))
    await bench.tell(other)
    assert bench.tags == IN_QUARANTINE
    await released_by_hand(bench)
    await bench.tell(await bench.judged(BAD.digest, Outcome.PASS, "latest", "v2"))
    again = await bench.judged(BAD.digest, Outcome.FAIL, "latest", "v2", findings=other.findings)
    await bench.tell(again)
    assert bench.tags == IN_QUARANTINE


async def test_a_release_by_hand_that_was_cut_off_goes_on(bench: MemoryBench) -> None:
    """With the next verdict, though that condemns the image as before."""
    verdict = await in_quarantine(bench)
    bench.registry.faults.add(Fault(method="PUT", status=503, times=100))
    with pytest.raises(RetryableError):
        await released_by_hand(bench)
    bench.registry.faults.clear()
    await bench.tell(verdict)
    record = await bench.found()
    assert (bench.tags, record.state, record.ended_by) == (AS_BEFORE, QuarantineState.RELEASED, "me")


async def test_a_push_that_fell_into_our_move_gets_its_tag_back(bench: MemoryBench) -> None:
    """It was hidden by our write: its event tells of it, and so its verdict. Once, and not what fails itself."""
    await bench.known_good()
    failing = await bench.pushed_bad(BAD, "latest", "v2")
    bench.put(FIXED, "v3")
    hidden = await bench.pushed(FIXED.digest, "latest")
    bench.clock.advance(6)
    await bench.tell(failing)
    assert bench.tags["latest"] == GOOD.digest
    await bench.tell(replace(hidden, outcome=Outcome.FAIL))
    assert bench.tags["latest"] == GOOD.digest
    for _ in range(2):
        await bench.tell(hidden)
        assert bench.tags["latest"] == FIXED.digest
    bench.put(GOOD, "latest")
    await bench.tell(hidden)
    assert bench.tags["latest"] == GOOD.digest
    assert (await bench.steps())["latest"] == "overtaken"


async def test_a_push_of_another_time_gets_nothing_back(bench: MemoryBench) -> None:
    """Nor one by another tag, nor where the tag leads elsewhere already."""
    await bench.known_good()
    failing = await bench.pushed_bad(BAD, "latest", "v2")
    bench.put(FIXED, "v3")
    earlier = await bench.pushed(FIXED.digest, "latest")
    bench.clock.advance(timedelta(minutes=5).total_seconds())
    await bench.tell(failing)
    by_another = await bench.pushed(FIXED.digest, "v3")
    for each in (earlier, by_another):
        await bench.tell(each)
        assert bench.tags["latest"] == GOOD.digest


async def test_a_tag_by_which_it_failed_does_not_come_back_by_itself(bench: MemoryBench) -> None:
    """Else it would fail by it again and again, and be deployed each time; it comes back by hand, or when it passes by it."""
    await bench.known_good()
    by_tag = replace(FINDING, rule="team/no-latest")
    bench.put(BAD, "v2")
    for findings in ((by_tag,), (FINDING, by_tag)):
        bench.put(BAD, "latest")
        await bench.tell(await bench.judged(BAD.digest, Outcome.FAIL, "latest", "v2", findings=findings))
        if FINDING in findings:
            # What it is condemned for without the tag says nothing for the tag.
            await bench.tell(await bench.judged(BAD.digest, Outcome.FAIL, "v2", findings=(FINDING,)))
        passing = await passes(bench)
        with pytest.raises(RetryableError):
            await bench.tell(passing)
        bench.clock.advance(600)
        await bench.tell(passing)
        record = await bench.found()
        assert (record.state, bench.tags) == (QuarantineState.RELEASED, {"latest": GOOD.digest, "v2": BAD.digest})
        assert await bench.steps() == {"mark": "undone", "latest": "left"}
        assert "because of this tag" in record.tags[0].detail


@pytest.mark.parametrize("changed", ["policy_revision", "data_revision"])
async def test_what_passes_by_other_policies_or_data_gets_its_tag_back(bench: MemoryBench, changed: str) -> None:
    """It was not the tag that made the difference; nobody has to have judged it without."""
    await bench.known_good()
    await bench.tell(await bench.pushed_bad(BAD, "latest", "v2"))
    passing = await bench.judged(BAD.digest, Outcome.PASS, "v2", **{changed: "another"})
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    await bench.tell(passing)
    assert bench.tags == AS_BEFORE


async def test_what_passes_by_its_tag_gets_it_back(bench: MemoryBench) -> None:
    """Whatever it was condemned for: it was judged as what the tag leads to. So does what a person releases."""
    await bench.known_good()
    await bench.tell(await bench.pushed_bad(BAD, "latest", "v2"))
    passing = await bench.judged(BAD.digest, Outcome.PASS, "latest", "v2")
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    await bench.tell(passing)
    assert bench.tags == AS_BEFORE
    await bench.known_good()
    await bench.tell(await bench.pushed_bad(BAD, "latest", "v2"))
    await released_by_hand(bench)
    assert bench.tags == AS_BEFORE


@pytest.mark.parametrize("status", [401, 403])
async def test_an_account_that_may_not_for_a_moment_is_waited_for(bench: MemoryBench, status: int) -> None:
    """A password that is being changed leaves no tag behind; one tag that is refused keeps back no other."""
    await bench.known_good()
    await bench.tell(await bench.pushed_bad(BAD, "latest", "main", "v2"))
    await bench.judged(BAD.digest, Outcome.FAIL, "v2")
    passing = await passes(bench)
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    bench.registry.faults.add(Fault(method="PUT", path=".*/latest", status=status, times=100))
    with pytest.raises(AuthenticationError):
        await bench.tell(passing)
    assert (bench.tags["latest"], bench.tags["main"]) == (GOOD.digest, BAD.digest)
    assert (await bench.found()).state is QuarantineState.RELEASING
    bench.registry.faults.clear()
    await bench.tell(passing)
    assert bench.tags == AS_BEFORE | {"main": BAD.digest}
    assert (await bench.found()).state is QuarantineState.RELEASED


async def test_a_tag_that_has_become_immutable_is_left(bench: MemoryBench) -> None:
    """A registry that refuses for good is not asked for a week."""
    await in_quarantine(bench)
    passing = await passes(bench)
    with pytest.raises(RetryableError):
        await bench.tell(passing)
    bench.clock.advance(600)
    bench.registry.faults.add(Fault(method="PUT", path=".*/latest", status=409, times=100))
    await bench.tell(passing)
    assert await bench.steps() == {"mark": "undone", "latest": "left"}
    assert (await bench.found()).state is QuarantineState.RELEASED
