"""Which images have which causes, as whoever keeps tickets is told it."""

from dataclasses import replace

from tests.doubles.routes import nobody
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.ticket import Ticket, TicketCause
from watcher.model.verdict import Outcome, Subject, Verdict
from watcher.store.protocol import Judged

CVE = TicketCause(id="cve", rule="vulnerabilities/fixable", about="a")
KEYS = TicketCause(id="keys", rule="baseline/aws-keys", about="b")
OTHER = replace(SUBJECT, digest=Digest("sha256:" + "d" * 64), tags=(Tag("v2"),))
ELSEWHERE = replace(OTHER, repository=RepositoryName("team/web"))


async def unsettled(bench: StoreBench, publisher: str = "issues") -> dict[str, Ticket]:
    return {each.cause.id: each for each in (await bench.tickets.unsettled(publisher)).tickets}


async def settle_all(bench: StoreBench, **changes: object) -> None:
    for each in (await unsettled(bench)).values():
        await bench.tickets.settle("issues", replace(each, **changes))  # type: ignore[arg-type]


def digests(ticket: Ticket) -> list[Digest]:
    return [each.digest for each in ticket.images]


async def recorded(bench: StoreBench, *subjects: Subject) -> None:
    for subject in subjects:
        verdict = a_verdict(id=f"v-{subject.digest[7:17]}-{subject.repository}", subject=subject, tag=None)
        await bench.verdicts.record([Judged(verdict=verdict)], nobody)


async def test_an_image_has_the_causes_that_were_noted_last(bench: StoreBench) -> None:
    """Each is a ticket to be told of, with the image, its tags and its environment; so is one that it has no more."""
    await recorded(bench, SUBJECT)
    await bench.tickets.note("issues", SUBJECT, [CVE, KEYS])
    there = await unsettled(bench)
    assert {name: ticket.cause for name, ticket in there.items()} == {"cve": CVE, "keys": KEYS}
    (image,) = there["cve"].images
    assert (image.registry, image.repository, image.digest) == (SUBJECT.registry, SUBJECT.repository, SUBJECT.digest)
    assert (image.environment, image.tags) == ("production", ("v1",))
    await settle_all(bench, key="7", is_open=True)
    assert await unsettled(bench) == {}
    await bench.tickets.note("issues", SUBJECT, [KEYS])
    there = await unsettled(bench)
    assert digests(there["cve"]) == []
    assert digests(there["keys"]) == [SUBJECT.digest]
    assert (there["cve"].key, there["cve"].is_open) == ("7", True)


async def test_what_is_not_decided_stays(bench: StoreBench) -> None:
    """A rule that could not look has not found that the image is mended."""
    await recorded(bench, SUBJECT)
    await bench.tickets.note("issues", SUBJECT, [CVE, KEYS])
    await bench.tickets.note("issues", SUBJECT, [], undecided=[CVE.rule])
    there = await unsettled(bench)
    assert digests(there["cve"]) == [SUBJECT.digest]
    assert digests(there["keys"]) == []


async def test_a_ticket_has_the_images_of_all(bench: StoreBench) -> None:
    """In order, each once, however often it was noted."""
    await recorded(bench, ELSEWHERE, SUBJECT, OTHER)
    for subject in (ELSEWHERE, SUBJECT, OTHER, SUBJECT):
        await bench.tickets.note("issues", subject, [CVE])
    (ticket,) = (await unsettled(bench)).values()
    assert [(each.repository, each.digest) for each in ticket.images] == [
        ("team/app", SUBJECT.digest),
        ("team/app", OTHER.digest),
        ("team/web", OTHER.digest),
    ]


async def test_an_image_that_lost_its_tags_counts_no_more(bench: StoreBench) -> None:
    """What is noted of the one that has them now says so of tickets that it has no part in; of no others there is news."""
    await recorded(bench, SUBJECT, OTHER)
    await bench.tickets.note("issues", SUBJECT, [CVE])
    await bench.tickets.note("issues", OTHER, [KEYS])
    await settle_all(bench)
    newer = replace(SUBJECT, digest=Digest("sha256:" + "e" * 64))
    await recorded(bench, newer)
    await bench.verdicts.left(SUBJECT.registry, SUBJECT.repository, SUBJECT.digest, SUBJECT.tags)
    await bench.tickets.note("issues", newer, [])
    (ticket,) = (await unsettled(bench)).values()
    assert digests(ticket) == []


async def test_an_image_that_never_had_a_tag_counts(bench: StoreBench) -> None:
    """It is pulled by its digest."""
    untagged = replace(SUBJECT, tags=())
    await bench.verdicts.record([Judged(verdict=a_verdict(subject=untagged, tag=None))], nobody)
    await bench.tickets.note("issues", untagged, [CVE])
    (ticket,) = (await unsettled(bench)).values()
    assert [(each.digest, each.tags) for each in ticket.images] == [(SUBJECT.digest, ())]


async def test_what_changes_while_it_is_told_is_told_again(bench: StoreBench) -> None:
    """Settling what was read says nothing of what came after."""
    await recorded(bench, SUBJECT, OTHER)
    await bench.tickets.note("issues", SUBJECT, [CVE])
    (read,) = (await unsettled(bench)).values()
    await bench.tickets.note("issues", OTHER, [CVE])
    await bench.tickets.settle("issues", replace(read, key="7"))
    (again,) = (await unsettled(bench)).values()
    assert (again.key, len(again.images)) == ("7", 2)


async def test_a_ticket_that_is_not_open_is_about_what_is_said_now(bench: StoreBench) -> None:
    """One that is keeps the words that people have read."""
    await recorded(bench, SUBJECT, OTHER)
    await bench.tickets.note("issues", SUBJECT, [CVE])
    await settle_all(bench, is_open=True)
    await bench.tickets.note("issues", OTHER, [replace(CVE, about="newer")])
    assert [each.cause.about for each in (await unsettled(bench)).values()] == ["a"]
    await bench.tickets.note("issues", OTHER, [])
    await settle_all(bench, is_open=False)
    await bench.tickets.note("issues", OTHER, [replace(CVE, about="newer")])
    assert [each.cause.about for each in (await unsettled(bench)).values()] == ["newer"]


async def test_publishers_have_tickets_of_their_own(bench: StoreBench) -> None:
    """Who is open at one of them is counted for that one."""
    await recorded(bench, SUBJECT)
    await bench.tickets.note("issues", SUBJECT, [CVE, KEYS])
    await settle_all(bench, is_open=True)
    assert await unsettled(bench, "others") == {}
    assert [(await bench.tickets.unsettled(name)).count_open for name in ("issues", "others")] == [2, 0]


async def test_an_image_that_was_never_recorded_has_no_ticket(bench: StoreBench) -> None:
    """There is nothing to hold it against."""
    await bench.tickets.note("issues", SUBJECT, [CVE])
    assert await unsettled(bench) == {}


async def test_what_was_noted_first_is_told_first(bench: StoreBench) -> None:
    """So many at a time as are asked for."""
    await recorded(bench, SUBJECT)
    causes = [replace(CVE, id=f"cve-{number:02}") for number in range(12)]
    await bench.tickets.note("issues", SUBJECT, causes)
    assert [each.cause.id for each in (await bench.tickets.unsettled("issues", 2)).tickets] == ["cve-00", "cve-01"]
    assert len((await bench.tickets.unsettled("issues")).tickets) == 10


async def test_what_was_judged_before_is_noted_step_by_step(bench: StoreBench) -> None:
    """The newest verdict of every subject, whose causes are asked for; once, whatever comes between two steps."""
    subjects = [replace(SUBJECT, repository=RepositoryName(f"team/app-{number}")) for number in range(5)]
    for number, subject in enumerate(subjects):
        await bench.record(f"old-{number}", subject=subject, outcome=Outcome.FAIL)
    await bench.record("new-0", subject=subjects[0])
    asked: list[str] = []

    def causes_of(verdict: Verdict) -> list[TicketCause]:
        asked.append(verdict.id)
        return [CVE] if verdict.id != "old-1" else []

    steps = []
    while await bench.tickets.begin("issues", causes_of, limit=2):
        steps.append(len(asked))
        await bench.record(f"meanwhile-{len(steps)}", subject=subjects[4], outcome=Outcome.FAIL)
    assert asked == ["old-4", "old-3", "old-2", "old-1"]
    assert steps == [2, 4]
    (ticket,) = (await unsettled(bench)).values()
    assert [each.repository for each in ticket.images] == ["team/app-2", "team/app-3", "team/app-4"]
    assert not await bench.tickets.begin("issues", causes_of)
    assert len(asked) == 4
