"""What is true of every outbox of verdicts to publish, whatever keeps it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.doubles.routes import sending
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.publication import Published, PublishFailed, PublishLater, Unwanted, Window
from watcher.model.reference import Host, Tag
from watcher.model.verdict import Outcome, Verdict
from watcher.store.protocol import Judged

OTHER = Digest("sha256:" + "d" * 64)


async def test_a_publication_is_due_until_it_is_published(bench: StoreBench) -> None:
    """A verdict goes to each of its publishers, once each when all goes well."""
    await bench.record("v-1", "webhook", "log")
    taken = await bench.outbox.due(99)
    assert [(each.verdict_id, each.publisher, each.attempt) for each in taken] == [("v-1", "log", 1), ("v-1", "webhook", 1)]
    assert await bench.due() == []
    for each in taken:
        await bench.outbox.settle(each, Published())
    bench.clock.advance(86400)
    assert await bench.due() == []


async def test_a_verdict_to_publish_rings_the_bell(bench: StoreBench) -> None:
    """Whoever announces hears of it at once, and when a publication of the same subject has ended; else nobody wakes."""

    async def rung() -> bool:
        try:
            async with asyncio.timeout(0.05):
                await bench.outbox.wait(3600)
        except TimeoutError:
            return False
        return True

    assert not await rung()
    await bench.record("v-1", "log")
    assert await rung()
    publication = await bench.take()
    assert not await rung()
    await bench.outbox.settle(publication, Published())
    assert await rung()


async def test_at_most_the_asked_number_is_taken(bench: StoreBench) -> None:
    """The oldest that are due come first."""
    for number in range(3):
        await bench.record(f"v-{number}", "log", subject=replace(SUBJECT, digest=Digest(f"sha256:{number:064}")))
        bench.clock.advance(1)
    assert [each.verdict_id for each in await bench.outbox.due(2)] == ["v-0", "v-1"]


async def test_a_publication_that_is_never_settled_comes_back(bench: StoreBench) -> None:
    """After its lease; and what the first taker says then is no longer heard."""
    await bench.record("v-1", "log")
    stale = await bench.take()
    bench.clock.advance(181)
    fresh = await bench.take()
    assert fresh.attempt == 2
    await bench.outbox.settle(stale, PublishFailed(reason="late", detail=""))
    bench.clock.advance(181)
    assert (await bench.take()).attempt == 3


async def test_a_restart_takes_back_every_publication_at_once(bench: StoreBench) -> None:
    """Whoever held a lease before a restart is dead."""
    await bench.record("v-1", "log", "webhook")
    await bench.outbox.due(2)
    assert await bench.outbox.recover() == 2
    assert len(await bench.due()) == 2


async def test_a_publication_waits_longer_each_time_and_then_has_failed(bench: StoreBench) -> None:
    """The delay doubles from two seconds, or is what the destination asked for; after the last attempt it is given up."""
    await bench.record("v-1", "log")
    for asked, delay in ((None, 2.0), (7.0, 7.0)):
        await bench.outbox.settle(await bench.take(), PublishLater(reason="refused", detail="503", delay_seconds=asked))
        bench.clock.advance(delay - 0.1)
        assert await bench.due() == []
        bench.clock.advance(0.1)
    await bench.outbox.settle(await bench.take(), PublishLater(reason="refused", detail="503"))
    bench.clock.advance(86400)
    assert await bench.due() == []


async def test_a_destination_that_is_down_costs_no_attempt(bench: StoreBench) -> None:
    """It is waited for as long as it lasts, a week at most; then whoever settles it is told that it has failed."""
    await bench.record("v-1", "log")
    down = PublishLater(reason="receiver-unavailable", detail="503", outside=True)
    for _ in range(6):
        publication = await bench.take()
        assert publication.attempt == 1
        assert await bench.outbox.settle(publication, down) is None
        bench.clock.advance(86400)
    assert await bench.outbox.settle(await bench.take(), down) is None
    bench.clock.advance(86400)
    assert await bench.outbox.settle(await bench.take(), down) == PublishFailed(reason="receiver-unavailable", detail="503")
    assert await bench.due() == []


async def test_nothing_is_sent_where_nobody_answers(bench: StoreBench) -> None:
    """A publisher that is left out for one registry publishes for others, and others for it."""
    await bench.record("v-1", "log", "webhook")
    elsewhere = replace(SUBJECT, registry=Host("other.example.com"))
    await bench.record("v-2", "log", subject=elsewhere)
    taken = await bench.outbox.due(9, without=[("log", SUBJECT.registry)])
    assert [(each.verdict_id, each.publisher, each.registry) for each in taken] == [
        ("v-1", "webhook", SUBJECT.registry),
        ("v-2", "log", elsewhere.registry),
    ]
    assert await bench.due() == [("v-1", "log")]


async def test_publications_of_one_subject_are_in_order_per_publisher(bench: StoreBench) -> None:
    """While one is under way or waits to be repeated, a newer one of the same subject and publisher waits; others do not."""
    await bench.record("v-1", "log", "webhook")
    first = await bench.outbox.due(99)
    await bench.record("v-2", "log", "webhook")
    await bench.record("v-3", "log", subject=replace(SUBJECT, digest=OTHER))
    assert await bench.due() == [("v-3", "log")]
    await bench.outbox.settle(first[0], Published())
    assert await bench.due() == [("v-2", "log")]
    await bench.outbox.settle(first[1], PublishLater(reason="refused", detail="", delay_seconds=10.0))
    assert await bench.due() == []
    bench.clock.advance(10)
    assert await bench.due() == [("v-1", "webhook")]


async def test_a_newer_verdict_supersedes_what_nobody_was_told(bench: StoreBench) -> None:
    """Of several verdicts in a row only the newest is published, save those of another subject, and whatever was tried in vain."""
    staging = replace(SUBJECT, environment="staging")
    await bench.record("v-1", "log")
    await bench.outbox.settle(await bench.take(), PublishLater(reason="refused", detail="", delay_seconds=1.0))
    await bench.record("v-2", "log", "webhook")
    await bench.record("v-3", "log", subject=staging)
    await bench.record("v-4", "log", outcome=Outcome.FAIL)
    bench.clock.advance(1)
    said = []
    while taken := await bench.outbox.due(99):
        for each in taken:
            said.append((each.verdict_id, each.publisher))
            await bench.outbox.settle(each, Published())
    assert said == [("v-3", "log"), ("v-4", "webhook"), ("v-4", "log")]


async def test_what_is_half_done_is_not_dropped(bench: StoreBench) -> None:
    """Nor is what was tried for a publisher that does not hear of the newer verdict: it may have come through."""
    await bench.record("v-1", "log", "webhook")
    log, webhook = await bench.outbox.due(9)
    await bench.outbox.note(log, "half done")
    for each in (log, webhook):
        await bench.outbox.settle(each, PublishLater(reason="refused", detail="", delay_seconds=1.0))
    await bench.record("v-2", "log", outcome=Outcome.FAIL)
    bench.clock.advance(1)
    assert await bench.due() == [("v-1", "log"), ("v-1", "webhook")]


async def test_a_publication_knows_what_its_publisher_was_told_last(bench: StoreBench) -> None:
    """Of the same subject and environment; and whether something that was tried may have come through."""
    await bench.record("v-1", "log")
    first = await bench.take()
    assert (first.told, first.tried) == (None, False)
    await bench.outbox.settle(first, Published())
    await bench.record("v-2", "log", "webhook", outcome=Outcome.FAIL)
    log, webhook = await bench.outbox.due(9)
    assert (log.told, log.tried, webhook.told) == ("v-1", False, None)
    await bench.outbox.settle(log, PublishLater(reason="refused", detail="", delay_seconds=1.0))
    await bench.outbox.settle(webhook, Unwanted(reason="filtered"))
    await bench.record("v-3", "log", "webhook", subject=replace(SUBJECT, environment="staging"))
    await bench.record("v-4", "log", "webhook")
    told = {each.publisher + each.verdict_id: (each.told, each.tried) for each in await bench.outbox.due(9)}
    assert told == {"logv-3": (None, True), "webhookv-3": (None, False)}


async def test_what_was_told_of_the_image_that_a_tag_led_to_before_is_known(bench: StoreBench) -> None:
    """And while that is still to be told, the new one waits for it."""
    fixed = a_verdict(id="v-2", subject=replace(SUBJECT, digest=OTHER), outcome=Outcome.PASS)
    await bench.record("v-1", "log", "webhook", outcome=Outcome.FAIL)
    log, webhook = await bench.outbox.due(9)
    await bench.outbox.settle(log, Published())
    await bench.verdicts.record([Judged(verdict=fixed, replaces=SUBJECT.digest)], sending({"v-2": ["chat", "log", "webhook"]}))
    known = {each.publisher: (each.told, each.tried) for each in await bench.outbox.due(9)}
    assert known == {"chat": (None, False), "log": ("v-1", False)}
    await bench.outbox.settle(webhook, Published())
    (then,) = await bench.outbox.due(9)
    assert (then.verdict_id, then.publisher, then.told) == ("v-2", "webhook", "v-1")


async def test_a_full_publisher_holds_up_no_other(bench: StoreBench) -> None:
    """Each has its own share, however much waits for the others."""
    for number in range(5):
        await bench.record(f"v-{number}", "log", "webhook", subject=replace(SUBJECT, digest=Digest(f"sha256:{number:064}")))
        bench.clock.advance(1)
    assert await bench.outbox.due(2, full=["log", "webhook"]) == []
    assert [(each.verdict_id, each.publisher) for each in await bench.outbox.due(2, full=["log"])] == [
        ("v-0", "webhook"),
        ("v-1", "webhook"),
    ]
    (one,) = await bench.outbox.due(2, full=["webhook"], single=["log"])
    await bench.outbox.settle(one, PublishLater(reason="refused", detail="", delay_seconds=0.0))
    taken = {(each.verdict_id, each.publisher) for each in await bench.outbox.due(2)}
    assert taken == {("v-1", "log"), ("v-2", "log"), ("v-2", "webhook"), ("v-3", "webhook")}


async def test_what_goes_together_waits_for_the_first_of_it(bench: StoreBench) -> None:
    """Until that has waited long enough; then everything that waits for the first time comes with it, what is tried again later."""
    together = {"chat": Window(pushed=30.0, reevaluated=300.0)}
    subjects = [replace(SUBJECT, digest=Digest(f"sha256:{number:064}")) for number in range(3)]
    await bench.record("v-0", "chat", "log", subject=subjects[0])
    bench.clock.advance(20)
    await bench.record("v-1", "chat", subject=subjects[1])
    assert [each.publisher for each in await bench.outbox.due(9, together=together)] == ["log"]
    bench.clock.advance(10)
    first, second = await bench.outbox.due(1, together=together)
    assert (first.verdict_id, second.verdict_id) == ("v-0", "v-1")
    await bench.outbox.settle(first, Published())
    await bench.outbox.settle(second, PublishLater(reason="refused", detail="", delay_seconds=60.0))
    await bench.record("v-2", "chat", subject=subjects[2])
    bench.clock.advance(30)
    (third,) = await bench.outbox.due(9, together=together)
    assert third.verdict_id == "v-2"
    bench.clock.advance(30)
    assert [each.verdict_id for each in await bench.outbox.due(9, together=together)] == ["v-1"]


async def test_a_repetition_takes_nothing_back_from_who_does_not_hear_it(bench: StoreBench) -> None:
    """Who is told of changes only still has to be told of the first verdict when the next one says the same."""
    await bench.record("v-1", "log", "webhook")
    await bench.record("v-2", "log")
    assert await bench.due() == [("v-1", "webhook"), ("v-2", "log")]


async def test_routing_knows_the_verdict_before(bench: StoreBench) -> None:
    """Of the same registry, repository, digest and environment, whatever its tags; None for the first."""
    asked: list[tuple[str, str | None]] = []

    def routing(verdict: Verdict, earlier: Verdict | None) -> Sequence[str]:
        asked.append((verdict.id, earlier.id if earlier else None))
        return ()

    one, other = a_verdict(), a_verdict(id="w-1", subject=replace(SUBJECT, environment="staging"))
    tagged = a_verdict(id="v-2", subject=replace(SUBJECT, tags=(Tag("latest"), Tag("v1"))))
    await bench.verdicts.record([Judged(verdict=one), Judged(verdict=other), Judged(verdict=tagged)], routing)
    await bench.verdicts.record([Judged(verdict=tagged), Judged(verdict=a_verdict(id="v-3"))], routing)
    assert asked == [("v-1", None), ("w-1", None), ("v-2", "v-1"), ("v-3", "v-2")]


async def test_a_publication_keeps_what_its_publisher_notes(bench: StoreBench) -> None:
    """For the next attempt, until it notes something else; whose lease has passed notes nothing."""
    await bench.record("v-1", "log")
    first = await bench.take()
    assert first.progress == ""
    await bench.outbox.note(first, "one")
    await bench.outbox.note(first, "two")
    bench.clock.advance(181)
    second = await bench.take()
    assert second.progress == "two"
    await bench.outbox.note(first, "late")
    await bench.outbox.settle(second, PublishLater(reason="refused", detail="", delay_seconds=1.0))
    bench.clock.advance(1)
    assert (await bench.take()).progress == "two"
    with pytest.raises(ValueError, match="5000"):
        await bench.outbox.note(second, "x" * 5000)
