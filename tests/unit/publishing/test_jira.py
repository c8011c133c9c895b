from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.doubles.code_hosts import TOKEN
from tests.doubles.jira_server import PROJECT, USER, JiraDouble, serve_jira
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.model.verdict import Outcome
from watcher.publishing.catalog import build_publisher
from watcher.publishing.protocol import Publisher
from watcher.publishing.receiver import ReceiverRefusedError
from watcher.publishing.ticket_settings import JiraSettings

pytestmark = pytest.mark.enable_socket

Bench = tuple[JiraDouble, Publisher]


@pytest.fixture(params=[True, False], ids=["cloud", "data-center"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "token").write_text(TOKEN)
    async with serve_jira(in_cloud=request.param) as host, publisher_context(tmp_path / "w.db", labels={}) as context:
        settings = JiraSettings(
            url=host.server.url, user=USER if request.param else "", token=f"file:{tmp_path}/token", project=PROJECT
        )
        yield host, build_publisher(settings, context)


async def test_a_cause_is_an_issue_with_its_labels(bench: Bench) -> None:
    """One for all of ours, and one for each."""
    host, publisher = bench
    await publisher.publish(a_verdict(), Notes())
    (issue,) = host.issues.values()
    assert issue["summary"] == "baseline/aws-keys: registry.example.com/team/app"
    every, own = issue["labels"]
    assert every == "registry-watcher"
    assert own.startswith("registry-watcher-")
    assert len(own) == len("registry-watcher-") + 32
    assert "Rotate the key." in host.text(issue["description"])


@pytest.mark.parametrize("unreachable", [{"In Progress"}, {"To Do"}])
async def test_an_issue_moves_as_its_workflow_allows(bench: Bench, unreachable: set[str]) -> None:
    """To what is done, and back to what is to do, or else to what is in work."""
    host, publisher = bench
    await publisher.publish(a_verdict(), Notes())
    await publisher.publish(a_verdict(outcome=Outcome.PASS, findings=()), Notes())
    assert host.issues["SEC-1"]["status"] == "Done"
    host.unreachable = unreachable
    await publisher.publish(a_verdict(), Notes())
    assert host.issues["SEC-1"]["status"] == ("To Do" if unreachable == {"In Progress"} else "In Progress")
    assert len(host.comments) == 2


async def test_where_the_workflow_does_not_allow_it_a_person_is_told(bench: Bench) -> None:
    """By a comment, once; and so is who reads the log."""
    host, publisher = bench
    await publisher.publish(a_verdict(), Notes())
    host.unreachable = {"Done"}
    with capture_logs() as lines:
        for _ in range(2):
            await publisher.publish(a_verdict(outcome=Outcome.PASS, findings=()), Notes())
    assert [line["event"] for line in lines] == ["ticket.unmoved"]
    assert host.comments == [("SEC-1", "No image has this any more.")]
    assert host.issues["SEC-1"]["status"] == "To Do"


async def test_a_transition_that_asks_for_more_is_left_to_a_person(bench: Bench) -> None:
    """As for a resolution, which only they know."""
    host, publisher = bench
    await publisher.publish(a_verdict(), Notes())
    host.demanding = True
    with capture_logs() as lines:
        await publisher.publish(a_verdict(outcome=Outcome.PASS, findings=()), Notes())
    assert [line["event"] for line in lines] == ["ticket.unmoved"]
    assert host.comments == [("SEC-1", "No image has this any more.")]


async def test_what_jira_says_is_in_the_error(bench: Bench) -> None:
    """In whichever of its fields, and without the token."""
    host, publisher = bench
    host.refusals.append(
        web.json_response({"errorMessages": [], "errors": {"issuetype": "Specify a valid issue type"}}, status=400)
    )
    with pytest.raises(ReceiverRefusedError, match="Specify a valid issue type") as caught:
        await publisher.publish(a_verdict(), Notes())
    assert TOKEN not in str(caught.value)


async def test_a_project_that_is_not_there_is_said_at_the_start(bench: Bench) -> None:
    """And one that this account may not see, which looks the same."""
    host, publisher = bench
    await publisher.open()
    host.refusals.append(web.json_response({"errorMessages": ["No project could be found with key 'SEC'."]}, status=404))
    with pytest.raises(ReceiverRefusedError, match="No project could be found"):
        await publisher.open()
