"""What is true of every store, whatever keeps it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.inventories import BOTTOM, TOP, a_package, an_inventory, layer_facts, layers, layers_of
from tests.doubles.routes import nobody, sending
from tests.doubles.verdicts import IMAGE, MOMENT, SUBJECT, a_verdict
from watcher.inspection.image.merge import merged_files
from watcher.inspection.protocol import KnownBases, LayerCache
from watcher.kit.wakeup import Wakeup
from watcher.model.digest import Digest
from watcher.model.inspection_json import inspection_bytes, inspection_json
from watcher.model.inventory import FileTable
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.model.verdict import Outcome, Section, SectionState, Subject, Verdict
from watcher.publishing.protocol import OwnWrites, SubjectLocks
from watcher.store.bases import StoredBases
from watcher.store.facts import LayerStore
from watcher.store.images import StoredImages
from watcher.store.outbox import StoredOutbox
from watcher.store.own_writes import OwnWriteStore
from watcher.store.protocol import (
    ImageReader,
    Judged,
    Outbox,
    Publication,
    Published,
    PublishFailed,
    PublishLater,
    SubjectFilter,
    VerdictStore,
)
from watcher.store.subject_locks import StoredSubjectLocks
from watcher.store.verdicts import StoredVerdicts

OTHER = Digest("sha256:" + "d" * 64)
HOST = SUBJECT.registry


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Every part as its Protocol, so that the suite also says that the parts fit."""

    clock: HandClock
    verdicts: VerdictStore
    outbox: Outbox
    images: ImageReader
    facts: LayerCache
    bases: KnownBases
    own_writes: OwnWrites
    others_writes: OwnWrites
    locks: SubjectLocks
    others_locks: SubjectLocks

    async def record(self, verdict_id: str, *publishers: str, subject: Subject = SUBJECT, outcome: Outcome = Outcome.PASS) -> None:
        said = a_verdict(id=verdict_id, subject=subject, outcome=outcome)
        await self.verdicts.record([Judged(verdict=said)], sending({verdict_id: publishers}))

    async def inspection(self, digest: Digest = IMAGE) -> Any:
        """The document of the image, None when it was never inspected."""
        inventory = await self.images.inventory(digest)
        return None if inventory is None else json.loads(inspection_bytes(inventory))

    async def due(self) -> list[tuple[str, str]]:
        return [(each.verdict_id, each.publisher) for each in await self.outbox.due(99)]

    async def take(self) -> Publication:
        (publication,) = await self.outbox.due(1)
        return publication


@pytest.fixture(params=["sqlite"])
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock, bell = HandClock(), Wakeup()
    async with open_database(tmp_path / "watcher.db") as database:
        yield Bench(
            clock=clock,
            verdicts=StoredVerdicts(database, clock, bell=bell),
            outbox=StoredOutbox(database, clock, bell=bell, max_attempts=3, jitter=lambda: 0.5),
            images=StoredImages(database, merged_files),
            facts=LayerStore(database),
            bases=StoredBases(database),
            own_writes=OwnWriteStore(database, clock),
            others_writes=OwnWriteStore(database, clock),
            locks=StoredSubjectLocks(database, clock),
            others_locks=StoredSubjectLocks(database, clock),
        )


# Images that others may be built on


async def test_copies_of_a_base_do_not_crowd_out_where_it_was_first_seen(bench: Bench) -> None:
    """However many repositories a base is pushed to later, the place it came from is still named, and first."""
    for number in range(40):
        subject = replace(SUBJECT, repository=RepositoryName(f"copy/{number}"), tags=())
        judged = Judged(
            verdict=a_verdict(id=f"v-{number}", subject=subject, tag=None), inventory=an_inventory(layers=layers(BOTTOM))
        )
        await bench.verdicts.record([judged], nobody)
    found = await bench.bases.bases((BOTTOM, TOP))
    assert found[0] == (1, Reference(registry=HOST, repository=RepositoryName("copy/0"), digest=IMAGE))
    assert len(found) == 32


# Verdicts


async def test_a_verdict_comes_back_equal(bench: Bench) -> None:
    """Every field of a recorded verdict survives, so that a publication made much later says the same bytes."""
    plain = a_verdict()
    bare = a_verdict(
        id="v-2",
        outcome=Outcome.UNKNOWN,
        subject=Subject(registry=HOST, repository=SUBJECT.repository, digest=OTHER),
        tag=None,
        platform=None,
        policies=(),
        findings=(),
        sections={"packages": Section(state=SectionState.MISSING, reason="ä", skipped=("a", "b"))},
        origin=None,
        index_digest=IMAGE,
        reason="not-found: gone",
        evaluated_at=MOMENT + timedelta(microseconds=1),
    )
    await bench.verdicts.record([Judged(verdict=plain), Judged(verdict=bare)], nobody)
    assert await bench.verdicts.verdict("v-1") == plain
    assert await bench.verdicts.verdict("v-2") == bare
    assert await bench.verdicts.verdict("v-3") is None


async def test_recording_a_verdict_twice_changes_nothing(bench: Bench) -> None:
    """A job that runs twice records once: the first verdict stays, and so do its publications."""
    await bench.record("v-1", "log", outcome=Outcome.PASS)
    taken = await bench.take()
    await bench.outbox.settle(taken, Published())
    await bench.record("v-1", "log", "webhook", outcome=Outcome.FAIL)
    kept = await bench.verdicts.verdict("v-1")
    assert kept is not None
    assert kept.outcome is Outcome.PASS
    assert await bench.due() == []


async def test_the_latest_verdict_can_be_narrowed(bench: Bench) -> None:
    """By registry, repository and environment; without any, the newest of the digest wins."""
    elsewhere = replace(SUBJECT, repository=RepositoryName("team/copy"), environment=None)
    staging = replace(SUBJECT, environment="staging")
    for number, subject in enumerate((SUBJECT, staging, elsewhere)):
        await bench.record(f"v-{number}", subject=subject)

    async def latest(**narrowed: str) -> str | None:
        said = await bench.verdicts.latest(IMAGE, **narrowed)  # type: ignore[arg-type]
        return said.id if said else None

    assert await latest() == "v-2"
    assert await latest(registry=HOST, repository=SUBJECT.repository) == "v-1"
    assert await latest(environment="production") == "v-0"
    assert await latest(registry="other.example.com") is None
    assert await bench.verdicts.latest(OTHER) is None


async def test_every_tag_of_a_digest_is_remembered(bench: Bench) -> None:
    """Tags of all verdicts of one place, sorted; an image without any has none."""
    await bench.record("v-1", subject=replace(SUBJECT, tags=(Tag("v1"),)))
    await bench.record("v-2", subject=replace(SUBJECT, tags=(Tag("latest"), Tag("v1")), environment=None))
    await bench.record("v-3", subject=replace(SUBJECT, repository=RepositoryName("other"), tags=(Tag("zzz"),)))
    assert await bench.verdicts.tags(HOST, SUBJECT.repository, IMAGE) == ("latest", "v1")
    assert await bench.verdicts.tags(HOST, SUBJECT.repository, OTHER) == ()


async def test_a_tag_that_left_is_none_of_the_digest(bench: Bench) -> None:
    """Of that digest and no other, until a verdict is recorded by it again; the image is known all the same."""
    other = replace(SUBJECT, digest=OTHER)
    await bench.record("v-1")
    await bench.record("v-2", subject=other)
    place = (HOST, SUBJECT.repository)
    assert {*await bench.verdicts.led_to(*place, (Tag("v1"), Tag("v9")))} == {IMAGE, OTHER}
    await bench.verdicts.left(*place, IMAGE, (Tag("v1"),))
    assert await bench.verdicts.led_to(*place, (Tag("v1"),)) == {OTHER}
    assert await bench.verdicts.tags(*place, IMAGE) == ()
    assert await bench.verdicts.judged(*place) == {IMAGE: set(), OTHER: {"v1"}}
    assert [row.tags for row in await bench.images.images()] == [(), ("v1",)]
    await bench.record("v-3")
    assert await bench.verdicts.tags(*place, IMAGE) == ("v1",)


async def test_of_an_index_all_verdicts_are_recorded_or_none(bench: Bench) -> None:
    """One call is one transaction: a record that fails half-way leaves nothing."""
    broken = a_verdict(id="v-2", outcome="no outcome")
    with pytest.raises(AttributeError):
        await bench.verdicts.record([Judged(verdict=a_verdict()), Judged(verdict=broken)], sending({"v-1": ["log"]}))
    assert await bench.verdicts.verdict("v-1") is None
    assert await bench.due() == []


# The outbox


async def test_what_could_not_look_takes_the_place_of_nothing_that_did(bench: Bench) -> None:
    """It is found by its id and in the history; what is true, and what was told, stays."""
    blind = Judged(verdict=a_verdict(id="v-2", outcome=Outcome.UNKNOWN, reason="not-found: gone", facts_revision=""), looked=False)
    await bench.record("v-1", "log")
    await bench.verdicts.record([blind], sending({"v-2": ["log"]}))
    assert await bench.verdicts.verdict("v-2") == blind.verdict
    assert [each.id for each in await bench.images.verdicts(IMAGE)] == ["v-2", "v-1"]
    latest = await bench.verdicts.latest(IMAGE, registry=HOST)
    assert latest is not None
    assert latest.id == "v-1"
    assert [each.id for each in await bench.images.subjects(IMAGE)] == ["v-1"]
    assert [each.id for each in await bench.images.newest(SubjectFilter())] == ["v-1"]
    assert [each.outcome for each in await bench.images.images()] == [Outcome.PASS]
    assert IMAGE in await bench.verdicts.judged(HOST, SUBJECT.repository)
    assert await bench.due() == [("v-1", "log")]


async def test_what_could_not_look_stands_until_something_does(bench: Bench) -> None:
    """And again: the newest of several that could not."""
    for number in (1, 2):
        said = a_verdict(id=f"v-{number}", outcome=Outcome.UNKNOWN, facts_revision="")
        await bench.verdicts.record([Judged(verdict=said, looked=False)], nobody)
    latest = await bench.verdicts.latest(IMAGE)
    assert latest is not None
    assert latest.id == "v-2"
    await bench.record("v-3")
    latest = await bench.verdicts.latest(IMAGE)
    assert latest is not None
    assert latest.id == "v-3"


async def test_a_publication_is_due_until_it_is_published(bench: Bench) -> None:
    """A verdict goes to each of its publishers, once each when all goes well."""
    await bench.record("v-1", "webhook", "log")
    taken = await bench.outbox.due(99)
    assert [(each.verdict_id, each.publisher, each.attempt) for each in taken] == [("v-1", "log", 1), ("v-1", "webhook", 1)]
    assert await bench.due() == []
    for each in taken:
        await bench.outbox.settle(each, Published())
    bench.clock.advance(86400)
    assert await bench.due() == []


async def test_a_verdict_to_publish_rings_the_bell(bench: Bench) -> None:
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


async def test_at_most_the_asked_number_is_taken(bench: Bench) -> None:
    """The oldest that are due come first."""
    for number in range(3):
        await bench.record(f"v-{number}", "log", subject=replace(SUBJECT, digest=Digest(f"sha256:{number:064}")))
        bench.clock.advance(1)
    assert [each.verdict_id for each in await bench.outbox.due(2)] == ["v-0", "v-1"]


async def test_a_publication_that_is_never_settled_comes_back(bench: Bench) -> None:
    """After its lease; and what the first taker says then is no longer heard."""
    await bench.record("v-1", "log")
    stale = await bench.take()
    bench.clock.advance(181)
    fresh = await bench.take()
    assert fresh.attempt == 2
    await bench.outbox.settle(stale, PublishFailed(reason="late", detail=""))
    bench.clock.advance(181)
    assert (await bench.take()).attempt == 3


async def test_a_restart_takes_back_every_publication_at_once(bench: Bench) -> None:
    """Whoever held a lease before a restart is dead."""
    await bench.record("v-1", "log", "webhook")
    await bench.outbox.due(2)
    assert await bench.outbox.recover() == 2
    assert len(await bench.due()) == 2


async def test_a_publication_waits_longer_each_time_and_then_has_failed(bench: Bench) -> None:
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


async def test_a_destination_that_is_down_costs_no_attempt(bench: Bench) -> None:
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


async def test_nothing_is_sent_where_nobody_answers(bench: Bench) -> None:
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


async def test_publications_of_one_subject_are_in_order_per_publisher(bench: Bench) -> None:
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


async def test_a_newer_verdict_supersedes_what_nobody_was_told(bench: Bench) -> None:
    """Of several verdicts in a row only the newest is published, save those that were tried already or are of another subject."""
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
    assert said == [("v-1", "log"), ("v-3", "log"), ("v-4", "log")]


async def test_a_repetition_takes_nothing_back_from_who_does_not_hear_it(bench: Bench) -> None:
    """Who is told of changes only still has to be told of the first verdict when the next one says the same."""
    await bench.record("v-1", "log", "webhook")
    await bench.record("v-2", "log")
    assert await bench.due() == [("v-1", "webhook"), ("v-2", "log")]


async def test_routing_knows_the_verdict_before(bench: Bench) -> None:
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


# Images


async def test_an_inspection_comes_back_as_its_public_json(bench: Bench) -> None:
    """The stored inspection is the document that the inspection itself would give, its file list counted and not repeated."""
    inventory = an_inventory()
    for facts in layers_of(inventory):
        await bench.facts.keep_layer(facts)
    await bench.verdicts.record([Judged(verdict=a_verdict(), inventory=inventory)], nobody)
    stored = await bench.inspection()
    assert stored == json.loads(json.dumps(inspection_json(inventory)))
    assert stored["files"]["count"] == 3
    assert await bench.inspection(OTHER) is None


async def test_packages_come_back_in_their_order(bench: Bench) -> None:
    """Those of several layers alternate within one database; what is installed twice is there twice."""
    packages = (
        a_package("bash", source="bash"),
        a_package("curl", layer=1, licenses=("MIT", "X11"), architecture="amd64"),
        a_package("libc6", source="glibc"),
        a_package("left-pad", layer=1, path="app/node_modules/left-pad/package.json"),
        a_package("left-pad", layer=1, path="app/node_modules/x/node_modules/left-pad/package.json"),
        a_package("left-pad", layer=2, path="srv/node_modules/left-pad/package.json"),
    )
    for number, held in enumerate((packages, packages[:3], packages[::-1], ())):
        inventory = an_inventory(packages=held)
        await bench.verdicts.record([Judged(verdict=a_verdict(id=f"v-{number}"), inventory=inventory)], lambda *_: ())
        document = await bench.inspection()
        assert document["packages"] == json.loads(json.dumps(inspection_json(inventory)))["packages"]


async def test_an_image_that_was_only_judged_has_no_inspection(bench: Bench) -> None:
    """An index, an artefact or an image that could not be read has verdicts, but no facts."""
    await bench.record("v-1")
    assert await bench.inspection() is None


async def test_a_long_list_of_notable_files_is_cut(bench: Bench) -> None:
    """An image of a million world-writable files is still a document of bounded size, which says what it left out."""
    many = 10_100
    files = FileTable(
        path=[f"f{number}" for number in range(many)],
        kind=["f"] * many,
        mode=[0o666] * many,
        uid=[0] * many,
        gid=[0] * many,
        size=[0] * many,
        link=[""] * many,
        layer=[0] * many,
    )
    inventory = an_inventory(files=files, layers=layers(BOTTOM, files=many))
    await bench.facts.keep_layer(layers_of(inventory)[0])
    await bench.verdicts.record([Judged(verdict=a_verdict(), inventory=inventory)], nobody)
    document = (await bench.inspection())["files"]
    assert (document["count"], len(document["notable"]), document["notable_omitted"]) == (many, 10_000, 100)


async def test_images_are_listed_in_order_of_digest(bench: Bench) -> None:
    """One row for each place an image was seen at, with its tags and newest outcome; a page ends between digests."""
    copy = replace(SUBJECT, registry=Host("a.example.com"), tags=())
    await bench.record("v-1", outcome=Outcome.FAIL)
    await bench.record("v-2", subject=replace(SUBJECT, tags=(Tag("latest"),)), outcome=Outcome.WARN)
    await bench.verdicts.record([Judged(verdict=a_verdict(id="v-3", subject=copy, tag=None))], nobody)
    await bench.record("v-4", subject=replace(SUBJECT, digest=OTHER))
    rows = await bench.images.images(limit=1)
    assert [(row.digest, row.registry, row.tags, row.outcome) for row in rows] == [
        (IMAGE, "a.example.com", (), "fail"),
        (IMAGE, HOST, ("latest", "v1"), "warn"),
    ]
    assert rows[0].evaluated_at == MOMENT
    assert [row.digest for row in await bench.images.images(after=IMAGE)] == [OTHER]
    assert await bench.images.images(after=OTHER) == []


async def test_verdicts_of_a_digest_are_listed_newest_first(bench: Bench) -> None:
    """All of a digest, wherever it lies, at most as many as asked for."""
    for number in range(3):
        await bench.record(f"v-{number}", subject=replace(SUBJECT, repository=RepositoryName(f"r/{number}")))
    assert [said.id for said in await bench.images.verdicts(IMAGE, limit=2)] == ["v-2", "v-1"]


async def test_verdicts_of_a_digest_are_read_page_by_page(bench: Bench) -> None:
    """Each page begins where the one before ended, whatever has been recorded since."""
    for number in range(4):
        await bench.record(f"v-{number}")
    first = await bench.images.verdicts(IMAGE, limit=2)
    await bench.record("v-4")
    assert [said.id for said in await bench.images.verdicts(IMAGE, before=first[-1].id)] == ["v-1", "v-0"]
    assert await bench.images.verdicts(IMAGE, before="v-0") == []


async def test_a_digest_has_one_newest_verdict_a_subject(bench: Bench) -> None:
    """However often one of its subjects was judged: none of the others is forgotten for it."""
    await bench.record("rare", subject=replace(SUBJECT, repository=RepositoryName("rare")))
    await bench.record("none", subject=replace(SUBJECT, environment=None))
    for number in range(20):
        await bench.record(f"often-{number}")
    await bench.record("elsewhere", subject=replace(SUBJECT, digest=OTHER))
    assert [said.id for said in await bench.images.subjects(IMAGE)] == ["often-19", "none", "rare"]


async def test_what_is_true_now_is_found_by_its_outcome_and_place(bench: Bench) -> None:
    """Of every subject the newest verdict alone counts; filters narrow, and pages go backwards in time."""
    other = replace(SUBJECT, repository=RepositoryName("other"))
    await bench.record("v-1", outcome=Outcome.FAIL)
    await bench.record("v-2", outcome=Outcome.PASS)
    await bench.record("v-3", subject=other, outcome=Outcome.FAIL)
    await bench.record("v-4", subject=replace(other, environment="staging"), outcome=Outcome.FAIL)
    await bench.record("v-5", subject=replace(SUBJECT, digest=OTHER), outcome=Outcome.WARN)

    async def found(before: str | None = None, limit: int = 100, **wanted: Any) -> list[str]:
        return [said.id for said in await bench.images.newest(SubjectFilter(**wanted), before=before, limit=limit)]

    assert await found() == ["v-5", "v-4", "v-3", "v-2"]
    assert await found(outcome=Outcome.FAIL) == ["v-4", "v-3"]
    assert await found(outcome=Outcome.FAIL, environment="production") == ["v-3"]
    assert await found(registry=HOST, repository=SUBJECT.repository) == ["v-5", "v-2"]
    assert await found(registry=Host("nowhere.example.com")) == []
    assert await found(limit=2) == ["v-5", "v-4"]
    assert await found(before="v-4", limit=2) == ["v-3", "v-2"]


async def test_a_tag_means_what_it_meant_last(bench: Bench) -> None:
    """The newest verdict that was asked for by it says which digest that was; a platform's image is not what its tag names."""
    place = (SUBJECT.registry, SUBJECT.repository, Tag("v1"))
    assert await bench.images.last_named(*place) is None
    await bench.record("v-1")
    index = replace(SUBJECT, digest=OTHER)
    child = replace(a_verdict(id="v-2"), index_digest=OTHER)
    await bench.verdicts.record([Judged(verdict=child), Judged(verdict=a_verdict(id="v-3", subject=index))], nobody)
    await bench.verdicts.record([Judged(verdict=replace(child, id="v-4"))], nobody)
    assert await bench.images.last_named(*place) == OTHER


async def test_a_new_inspection_replaces_the_old_one(bench: Bench) -> None:
    """What newer makers say of an image is what is kept of it."""
    await bench.facts.keep_layer(layer_facts())
    await bench.verdicts.record([Judged(verdict=a_verdict(), inventory=an_inventory())], nobody)
    newer = an_inventory(facts_revision="sha256:" + "5" * 64, packages=(a_package("only", licenses=("MIT",)),))
    await bench.verdicts.record([Judged(verdict=a_verdict(id="v-2"), inventory=newer)], nobody)
    document = await bench.inspection()
    assert [package["name"] for package in document["packages"]] == ["only"]


# Own writes


async def test_what_was_claimed_is_known_as_ours(bench: Bench) -> None:
    """Before anything is put, its digest is known, and it stays known while its events can come back."""
    await bench.own_writes.claim([IMAGE])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER])) == {IMAGE}
    assert set(await bench.own_writes.claimed([])) == set()
    bench.clock.advance(20 * 86400)
    await bench.own_writes.claim([IMAGE, BOTTOM])
    bench.clock.advance(20 * 86400)
    await bench.own_writes.claim([OTHER])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER, BOTTOM, TOP])) == {IMAGE, OTHER, BOTTOM}
    bench.clock.advance(11 * 86400)
    await bench.own_writes.claim([])
    assert set(await bench.own_writes.claimed([IMAGE, OTHER, BOTTOM])) == {OTHER}


async def test_what_somebody_else_claims_is_known_at_once(bench: Bench) -> None:
    """A command that runs beside the daemon sees what the daemon writes meanwhile."""
    assert set(await bench.others_writes.claimed([IMAGE])) == set()
    await bench.own_writes.claim([IMAGE])
    assert set(await bench.others_writes.claimed([IMAGE])) == {IMAGE}


async def test_whoever_is_alone_remembers_what_was_claimed_before(tmp_path: Path) -> None:
    """The daemon, after its restart; and what it claims itself is known at once."""
    async with open_database(tmp_path / "watcher.db") as database:
        await OwnWriteStore(database, HandClock()).claim([IMAGE])
        alone = OwnWriteStore(database, HandClock(), alone=True)
        assert set(await alone.claimed([IMAGE, OTHER])) == {IMAGE}
        await alone.claim([OTHER])
        assert set(await alone.claimed([IMAGE, OTHER, TOP])) == {IMAGE, OTHER}


async def test_one_editor_per_subject(bench: Bench) -> None:
    """Whoever holds a subject is alone with it; another subject is not held up; nothing is left behind."""
    order: list[str] = []
    entered = asyncio.Event()

    async def edit(name: str, subject: Subject) -> None:
        async with bench.locks.lock(subject):
            order.append(f"{name} in")
            if name == "first":
                entered.set()
                await other_done.wait()
            order.append(f"{name} out")

    other_done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(edit("first", SUBJECT))
        await entered.wait()
        # Tags and environment are no part of what is edited.
        group.create_task(edit("second", replace(SUBJECT, tags=(), environment=None)))
        await asyncio.sleep(0)
        await edit("other", replace(SUBJECT, digest=OTHER))
        other_done.set()
    assert order == ["first in", "other in", "other out", "first out", "second in", "second out"]
    assert vars(bench.locks)["_queues"] == {}


async def test_another_process_waits_for_a_subject_too(bench: Bench) -> None:
    """The lock is kept in the store, so that it holds for whoever works on the store."""
    order: list[str] = []

    async def edit(locks: SubjectLocks, name: str) -> None:
        async with locks.lock(SUBJECT):
            order.append(f"{name} in")
            await asyncio.sleep(0.05)
            order.append(f"{name} out")

    async with asyncio.TaskGroup() as group:
        for name in ("first", "second", "third"):
            group.create_task(edit(bench.locks, name))
            group.create_task(edit(bench.others_locks, f"other {name}"))
    assert [entry.removesuffix(" in") for entry in order[::2]] == [entry.removesuffix(" out") for entry in order[1::2]]
    assert len(order) == 12


async def test_a_subject_is_free_again_when_its_holder_has_died(bench: Bench) -> None:
    """Nobody says so for it: its lease passes. Should it only have been asleep, it takes nothing away that is not its own now."""
    holder = bench.others_locks.lock(SUBJECT)
    await holder.__aenter__()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), bench.locks.lock(SUBJECT):
            raise AssertionError
    bench.clock.advance(16)
    async with bench.locks.lock(SUBJECT):
        await holder.__aexit__(None, None, None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), bench.others_locks.lock(SUBJECT):
                raise AssertionError


async def test_a_publication_keeps_what_its_publisher_notes(bench: Bench) -> None:
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
