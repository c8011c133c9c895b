"""What is true of every store of verdicts and inspections, whatever keeps it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.doubles.inventories import BOTTOM, TOP, a_package, an_inventory, layer_facts, layers, layers_of
from tests.doubles.routes import nobody, sending
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import IMAGE, MOMENT, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.inspection_json import inspection_json
from watcher.model.inventory import FileTable
from watcher.model.publication import Published
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.model.verdict import Outcome, Section, SectionState, Subject
from watcher.store.protocol import Judged, SubjectFilter

OTHER = Digest("sha256:" + "d" * 64)
HOST = SUBJECT.registry


async def test_copies_of_a_base_do_not_crowd_out_where_it_was_first_seen(bench: StoreBench) -> None:
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


async def test_a_verdict_comes_back_equal(bench: StoreBench) -> None:
    """Every field of a recorded verdict survives, so that a publication made much later says the same bytes."""
    plain = a_verdict(owner="payments")
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
    assert await bench.verdicts.several(["v-1", "v-3", "v-2", "v-1"]) == {"v-1": plain, "v-2": bare}
    assert await bench.verdicts.several([]) == {}


async def test_recording_a_verdict_twice_changes_nothing(bench: StoreBench) -> None:
    """A job that runs twice records once: the first verdict stays, and so do its publications."""
    await bench.record("v-1", "log", outcome=Outcome.PASS)
    taken = await bench.take()
    await bench.outbox.settle(taken, Published())
    await bench.record("v-1", "log", "webhook", outcome=Outcome.FAIL)
    kept = await bench.verdicts.verdict("v-1")
    assert kept is not None
    assert kept.outcome is Outcome.PASS
    assert await bench.due() == []


async def test_the_latest_verdict_can_be_narrowed(bench: StoreBench) -> None:
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


async def test_every_tag_of_a_digest_is_remembered(bench: StoreBench) -> None:
    """Tags of all verdicts of one place, sorted; an image without any has none."""
    await bench.record("v-1", subject=replace(SUBJECT, tags=(Tag("v1"),)))
    await bench.record("v-2", subject=replace(SUBJECT, tags=(Tag("latest"), Tag("v1")), environment=None))
    await bench.record("v-3", subject=replace(SUBJECT, repository=RepositoryName("other"), tags=(Tag("zzz"),)))
    assert await bench.verdicts.tags(HOST, SUBJECT.repository, IMAGE) == ("latest", "v1")
    assert await bench.verdicts.tags(HOST, SUBJECT.repository, OTHER) == ()


async def test_a_tag_that_left_is_none_of_the_digest(bench: StoreBench) -> None:
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


async def test_of_an_index_all_verdicts_are_recorded_or_none(bench: StoreBench) -> None:
    """One call is one transaction: a record that fails half-way leaves nothing."""
    broken = a_verdict(id="v-2", outcome="no outcome")
    with pytest.raises(AttributeError):
        await bench.verdicts.record([Judged(verdict=a_verdict()), Judged(verdict=broken)], sending({"v-1": ["log"]}))
    assert await bench.verdicts.verdict("v-1") is None
    assert await bench.due() == []


async def test_what_could_not_look_takes_the_place_of_nothing_that_did(bench: StoreBench) -> None:
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


async def test_what_could_not_look_stands_until_something_does(bench: StoreBench) -> None:
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


async def test_an_inspection_comes_back_as_its_public_json(bench: StoreBench) -> None:
    """The stored inspection is the document that the inspection itself would give, its file list counted and not repeated."""
    inventory = an_inventory()
    for facts in layers_of(inventory):
        await bench.facts.keep_layer(facts)
    await bench.verdicts.record([Judged(verdict=a_verdict(), inventory=inventory)], nobody)
    stored = await bench.inspection()
    assert stored == json.loads(json.dumps(inspection_json(inventory)))
    assert stored["files"]["count"] == 3
    assert await bench.inspection(OTHER) is None


async def test_packages_come_back_in_their_order(bench: StoreBench) -> None:
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


async def test_an_image_that_was_only_judged_has_no_inspection(bench: StoreBench) -> None:
    """An index, an artefact or an image that could not be read has verdicts, but no facts."""
    await bench.record("v-1")
    assert await bench.inspection() is None


async def test_a_long_list_of_notable_files_is_cut(bench: StoreBench) -> None:
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


async def test_images_are_listed_in_order_of_digest(bench: StoreBench) -> None:
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


async def test_verdicts_of_a_digest_are_listed_newest_first(bench: StoreBench) -> None:
    """All of a digest, wherever it lies, at most as many as asked for."""
    for number in range(3):
        await bench.record(f"v-{number}", subject=replace(SUBJECT, repository=RepositoryName(f"r/{number}")))
    assert [said.id for said in await bench.images.verdicts(IMAGE, limit=2)] == ["v-2", "v-1"]


async def test_verdicts_of_a_digest_are_read_page_by_page(bench: StoreBench) -> None:
    """Each page begins where the one before ended, whatever has been recorded since."""
    for number in range(4):
        await bench.record(f"v-{number}")
    first = await bench.images.verdicts(IMAGE, limit=2)
    await bench.record("v-4")
    assert [said.id for said in await bench.images.verdicts(IMAGE, before=first[-1].id)] == ["v-1", "v-0"]
    assert await bench.images.verdicts(IMAGE, before="v-0") == []


async def test_a_digest_has_one_newest_verdict_a_subject(bench: StoreBench) -> None:
    """However often one of its subjects was judged: none of the others is forgotten for it."""
    await bench.record("rare", subject=replace(SUBJECT, repository=RepositoryName("rare")))
    await bench.record("none", subject=replace(SUBJECT, environment=None))
    for number in range(20):
        await bench.record(f"often-{number}")
    await bench.record("elsewhere", subject=replace(SUBJECT, digest=OTHER))
    assert [said.id for said in await bench.images.subjects(IMAGE)] == ["often-19", "none", "rare"]


async def test_what_is_true_now_is_found_by_its_outcome_and_place(bench: StoreBench) -> None:
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


async def test_a_tag_means_what_it_meant_last(bench: StoreBench) -> None:
    """The newest verdict that was asked for by it says which digest that was; a platform's image is not what its tag names."""
    place = (SUBJECT.registry, SUBJECT.repository, Tag("v1"))
    assert await bench.images.last_named(*place) is None
    await bench.record("v-1")
    index = replace(SUBJECT, digest=OTHER)
    child = replace(a_verdict(id="v-2"), index_digest=OTHER)
    await bench.verdicts.record([Judged(verdict=child), Judged(verdict=a_verdict(id="v-3", subject=index))], nobody)
    await bench.verdicts.record([Judged(verdict=replace(child, id="v-4"))], nobody)
    assert await bench.images.last_named(*place) == OTHER


async def test_a_new_inspection_replaces_the_old_one(bench: StoreBench) -> None:
    """What newer makers say of an image is what is kept of it."""
    await bench.facts.keep_layer(layer_facts())
    await bench.verdicts.record([Judged(verdict=a_verdict(), inventory=an_inventory())], nobody)
    newer = an_inventory(facts_revision="sha256:" + "5" * 64, packages=(a_package("only", licenses=("MIT",)),))
    await bench.verdicts.record([Judged(verdict=a_verdict(id="v-2"), inventory=newer)], nobody)
    document = await bench.inspection()
    assert [package["name"] for package in document["packages"]] == ["only"]
