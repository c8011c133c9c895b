from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.doubles.code_hosts import TOKEN
from tests.doubles.databases import opened_beside
from tests.doubles.issue_trackers import REPOSITORY, GithubIssuesDouble, serve_github_issues
from tests.doubles.publishing import Notes, publisher_context, record_labels
from tests.doubles.verdicts import FINDING, SUBJECT, a_verdict
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Action, Finding, Outcome, Subject, Verdict
from watcher.publishing.catalog import build_publisher
from watcher.publishing.protocol import Publisher
from watcher.publishing.receiver import ReceiverRefusedError, ReceiverUnavailableError
from watcher.publishing.ticket_flow import LONGEST_SECONDS, TicketFlow, TicketsLeftError
from watcher.publishing.ticket_settings import GithubIssueSettings
from watcher.store.tags import leave
from watcher.store.tickets import StoredTickets

pytestmark = pytest.mark.enable_socket

CVE = Finding(
    rule="vulnerabilities/fixable",
    action=Action.FAIL,
    key="CVE-2020-14343@pkg:pypi/pyyaml@5.3.1",
    title="No high or critical vulnerability that has a fix",
    message="CVE-2020-14343 (CRITICAL) in PyYAML 5.3.1, fixed in 5.4",
    remediation="Upgrade the package.",
)
APP = SUBJECT
WEB = replace(SUBJECT, repository=RepositoryName("team/web"), digest=Digest("sha256:" + "d" * 64))
NEWER = replace(SUBJECT, digest=Digest("sha256:" + "e" * 64))


@dataclass(kw_only=True)
class Bench:
    host: GithubIssuesDouble
    publisher: Publisher
    again: Publisher  # after a restart
    database: Database
    settings: GithubIssueSettings
    number: int = 0

    async def tell(self, *findings: Finding, subject: Subject = APP, outcome: Outcome | None = None, **changes: object) -> None:
        """A verdict is recorded and published."""
        self.number += 1
        said = outcome or (Outcome.FAIL if any(each.action is Action.FAIL for each in findings) else Outcome.PASS)
        verdict = a_verdict(id=f"v-{self.number}", subject=subject, findings=findings, outcome=said, **changes)
        await self.record(verdict)
        await self.publisher.publish(verdict, Notes())

    async def record(self, verdict: Verdict) -> None:
        await record_labels(self.database, verdict, {})


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield await bench_of(stack, tmp_path)


async def bench_of(stack: AsyncExitStack, folder: Path, **changes: object) -> Bench:
    (folder / "token").write_text(TOKEN)
    host = await stack.enter_async_context(serve_github_issues())
    context = await stack.enter_async_context(publisher_context(folder / "w.db"))
    fields = {"url": host.server.url, "token": f"file:{folder}/token", "repository": REPOSITORY, **changes}
    settings = msgspec.convert(fields, GithubIssueSettings)
    return Bench(
        host=host,
        publisher=build_publisher(settings, context),
        again=build_publisher(settings, context),
        database=await stack.enter_async_context(opened_beside(folder / "w.db")),
        settings=settings,
    )


async def test_each_cause_has_a_ticket(bench: Bench) -> None:
    """A vulnerability by its id, whatever package has it; anything else by its rule and the repository."""
    await bench.tell(CVE, FINDING, replace(CVE, key="CVE-2020-14343@pkg:pypi/other@1"))
    assert bench.host.titles("open") == [
        "CVE-2020-14343 (CRITICAL): vulnerabilities/fixable",
        "baseline/aws-keys: registry.example.com/team/app",
    ]
    body = bench.host.issues[1]["body"]
    assert "CVE\\-2020" not in body
    assert "fixed in 5.4" in body
    assert "1 image of 1 repository" in body
    assert "`registry.example.com/team/app:v1`" in body


async def test_one_vulnerability_of_many_images_is_one_ticket(bench: Bench) -> None:
    """Which lists them, and is rewritten without a comment when there are more or less."""
    await bench.tell(CVE)
    await bench.tell(CVE, subject=WEB)
    (issue,) = bench.host.issues.values()
    assert "2 images of 2 repositories" in issue["body"]
    await bench.tell(subject=WEB)
    assert "1 image of 1 repository" in issue["body"]
    assert "team/web" not in issue["body"]
    assert bench.host.comments == []


async def test_a_ticket_is_closed_with_the_last_image_and_opened_again(bench: Bench) -> None:
    """The same one."""
    await bench.tell(CVE)
    await bench.tell()
    assert bench.host.titles("open") == []
    await bench.tell(CVE, subject=WEB)
    assert bench.host.titles("closed") == []
    assert [said for _, said in bench.host.comments] == ["No image has this any more.", "There are images again that have this."]
    assert len(bench.host.issues) == 1


async def test_an_image_that_another_took_the_tag_of_is_mended(bench: Bench) -> None:
    """The old one is still in the registry, and nobody gets it by its tag."""
    await bench.tell(CVE)
    await bench.database.write(lambda connection: leave(connection, APP.registry, APP.repository, APP.digest, APP.tags))
    await bench.tell(subject=NEWER)
    assert bench.host.titles("open") == []


async def test_only_tags_that_are_asked_for_count(tmp_path: Path) -> None:
    """As `latest`, where every push has a version too that stays for ever."""
    async with AsyncExitStack() as stack:
        bench = await bench_of(stack, tmp_path, tags=["latest", "release-*"])
        await bench.tell(CVE)
        assert bench.host.issues == {}
        await bench.tell(CVE, subject=replace(WEB, tags=(Tag("release-1"), Tag("v1"))))
        assert len(bench.host.issues) == 1


async def test_what_is_not_decided_closes_nothing(bench: Bench) -> None:
    """Data that are too old, and an image that could not be looked at, are no proof that it is mended."""
    await bench.tell(CVE, FINDING)
    stale = replace(CVE, action=Action.UNKNOWN, key="section:vulnerabilities")
    await bench.tell(stale, outcome=Outcome.UNKNOWN)
    assert bench.host.titles("closed") == ["baseline/aws-keys: registry.example.com/team/app"]
    await bench.tell(outcome=Outcome.UNKNOWN, reason="timed-out: too slow")
    assert bench.host.titles("open") == ["CVE-2020-14343 (CRITICAL): vulnerabilities/fixable"]


async def test_what_is_excepted_or_does_not_fail_has_no_ticket(bench: Bench) -> None:
    """Unless warnings are asked for."""
    warning = replace(CVE, action=Action.WARN)
    await bench.tell(warning, replace(FINDING, excepted_by="waiver"), outcome=Outcome.WARN)
    assert bench.host.issues == {}


async def test_warnings_have_tickets_where_they_are_asked_for(tmp_path: Path) -> None:
    """Beside failures, which do not hide them."""
    async with AsyncExitStack() as stack:
        bench = await bench_of(stack, tmp_path, outcomes=["fail", "warn"])
        await bench.tell(replace(CVE, action=Action.WARN), FINDING)
        assert len(bench.host.issues) == 2


async def test_the_images_of_an_index_are_passed_over(bench: Bench) -> None:
    """Its own verdict has what they have, and tags lead to it."""
    await bench.tell(CVE, index_digest=WEB.digest)
    assert bench.host.server.asked == []


async def test_a_crash_makes_no_second_ticket(bench: Bench) -> None:
    """Between the tracker's making it and our noting it: whoever comes after finds it by its marker."""
    bench.host.lost = 1
    with pytest.raises(ReceiverUnavailableError):
        await bench.tell(CVE)
    verdict = a_verdict(findings=(CVE,))
    await bench.again.publish(verdict, Notes())
    await bench.publisher.publish(verdict, Notes())
    assert len(bench.host.issues) == 1
    assert bench.host.wrote("POST") == 1


async def test_a_ticket_that_was_deleted_is_made_anew(bench: Bench) -> None:
    """While images have its cause; when they have it no more, nothing is missed."""
    await bench.tell(CVE)
    bench.host.issues.clear()
    await bench.tell(CVE, subject=WEB)
    assert len(bench.host.issues) == 1
    bench.host.issues.clear()
    await bench.tell(subject=WEB)
    await bench.tell()
    assert all("team/web" not in each["body"] for each in bench.host.issues.values())


async def test_a_person_who_closes_a_ticket_is_not_contradicted(bench: Bench) -> None:
    """It stays closed while images come and go, until the cause was gone and is back."""
    await bench.tell(CVE)
    bench.host.issues[1]["state"] = "closed"
    await bench.tell(CVE, subject=WEB)
    assert bench.host.titles("open") == []
    await bench.tell()
    await bench.tell(subject=WEB)
    assert bench.host.comments == []
    await bench.tell(CVE)
    assert len(bench.host.titles("open")) == 1


async def test_no_more_tickets_are_opened_than_are_wanted(tmp_path: Path) -> None:
    """A first look at a registry could open thousands; the log says that there are more."""
    async with AsyncExitStack() as stack:
        bench = await bench_of(stack, tmp_path, most_open=2)
        causes = [replace(CVE, key=f"CVE-2026-{number}@pkg:pypi/x@1") for number in range(4)]
        with capture_logs() as lines:
            await bench.tell(*causes)
        assert len(bench.host.issues) == 2
        assert [line["event"] for line in lines].count("tickets.full") == 1
        await bench.tell(*causes[2:])
        assert len(bench.host.titles("open")) == 2
        assert len(bench.host.titles("closed")) == 2


async def test_what_takes_too_long_goes_on_with_the_next_attempt(bench: Bench) -> None:
    """An attempt has an end; what it has told is kept."""
    moments = iter([0.0, 1.0, LONGEST_SECONDS + 1])

    class Slow:
        async def find(self, marker: str) -> str | None:
            return marker

        async def create(self, draft: object) -> str:
            raise AssertionError(draft)

        async def write(self, key: str, draft: object) -> bool:
            return bool(key or draft)

        async def move(self, key: str, said: str, *, is_open: bool) -> bool:
            return bool(key or said or is_open)

    verdict = a_verdict(findings=tuple(replace(CVE, key=f"CVE-2026-{number}@pkg:pypi/x@1") for number in range(15)))
    await bench.record(verdict)
    tickets = StoredTickets(bench.database)
    flow = TicketFlow(bench.settings, tickets, Slow(), monotonic=lambda: next(moments))
    with pytest.raises(TicketsLeftError):
        await flow.tell(verdict)
    assert len((await tickets.unsettled(bench.settings.name)).tickets) == 5


async def test_a_repository_without_issues_is_said_at_the_start(bench: Bench) -> None:
    """And not with the first verdict."""
    await bench.publisher.open()
    bench.host.has_issues = False
    with pytest.raises(ReceiverRefusedError, match="has no issues"):
        await bench.publisher.open()


async def test_who_may_not_label_is_told_so(bench: Bench) -> None:
    """Its tickets are known by their numbers alone."""
    bench.host.may_label = False
    with capture_logs() as lines:
        await bench.tell(CVE)
        await bench.tell(CVE, subject=WEB)
    assert [line["event"] for line in lines].count("ticket.unlabelled") == 1
    assert len(bench.host.issues) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcomes", ["pass"]),
        ("outcomes", []),
        ("repository", "my-org"),
        ("repository", "a/../b"),
        ("label", "a,b"),
        ("most_open", 0),
    ],
)
def test_a_configuration_that_could_not_work_is_refused(field: str, value: object) -> None:
    """When it is read."""
    document = {"type": "github-issue", "token": "env:T", "repository": REPOSITORY, field: value}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, GithubIssueSettings)


async def test_images_that_were_judged_before_count(tmp_path: Path) -> None:
    """Those that are asked for: a ticket that knew only of later ones would be closed while images still have its cause."""
    async with AsyncExitStack() as stack:
        bench = await bench_of(stack, tmp_path, images=["registry.example.com/team/*"])
        for number, repository in enumerate(["team/old", "others/old"]):
            subject = replace(SUBJECT, repository=RepositoryName(repository))
            await bench.record(a_verdict(id=f"before-{number}", subject=subject, findings=(CVE,)))
        await bench.record(a_verdict(id="part", subject=WEB, findings=(CVE,), index_digest=NEWER.digest))
        await bench.tell(CVE)
        await bench.tell()
        assert len(bench.host.titles("open")) == 1
        body = bench.host.issues[1]["body"]
        assert "team/old" in body
        assert "others/old" not in body
        assert "team/web" not in body
