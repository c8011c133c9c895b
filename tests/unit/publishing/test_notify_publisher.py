"""Messages to chats, as they arrive. `REGENERATE=1 pytest tests/unit/publishing/test_notify_publisher.py` writes the goldens."""

import asyncio
import io
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.doubles.chat_hosts import ChatHosts, chat_hosts, served
from tests.doubles.hostile_verdicts import A_HOSTILE_MESSAGE, a_verdict_with_findings
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.kit.telemetry import configure_logging
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError, PermanentError, RetryableError
from watcher.model.verdict import Outcome
from watcher.publishing.context import PublisherContext
from watcher.publishing.message import Item, Link, Listing, Message, foreign, ours
from watcher.publishing.notify import MOST_INCIDENTS, NotifyPublisher
from watcher.publishing.notify_result import NotifyGoesOnError, NotifyRefusedError, NotifyUnavailableError
from watcher.publishing.notify_settings import NotifyPublisherSettings
from watcher.publishing.protocol import News

pytestmark = pytest.mark.enable_socket

GOLDEN = Path(__file__).parents[2] / "golden" / "notify"
TOKEN = "TIiajkdnlazkcOXrIdevi7"
SIGNATURE = "cAdJqHEr2nNqUyyKmBx0vWt6yiT3bFq"
URLS = {
    "slack": f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}",
    "teams": f"https://prod-1.westeurope.logic.azure.com:443/workflows/{'a' * 32}/triggers/manual/paths/invoke?sig={SIGNATURE}",
    "discord": f"discord://123456/{TOKEN}",
    "discord-embed": f"discord://123456/{TOKEN}?format=markdown",
    "google-chat": f"gchat://workspace/key/{TOKEN}",
    "mattermost": f"mmosts://chat.example.com/{TOKEN}",
    "pagerduty": f"pagerduty://{'a' * 32}@{'b' * 20}",
    "slack-text": f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}?format=text",
    "telegram": f"tgram://123456789:{TOKEN}/12315544/",
}
HOSTS = (
    "hooks.slack.com",
    "prod-1.westeurope.logic.azure.com",
    "discord.com",
    "chat.example.com",
    "chat.googleapis.com",
    "events.pagerduty.com",
    "api.telegram.org",
    "api.opsgenie.com",
)


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[PublisherContext]:
    async with publisher_context(tmp_path / "w.db") as context:
        yield context


@pytest.fixture
async def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChatHosts]:
    async with chat_hosts(tmp_path, monkeypatch, HOSTS) as hosts:
        yield hosts


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the daemon logs at its most talkative, and what Python prints where nobody listens."""
    written, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", written)
    configure_logging(level="debug", stream=written)
    yield written
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def publisher(url: str, context: PublisherContext, monkeypatch: pytest.MonkeyPatch) -> NotifyPublisher:
    monkeypatch.setenv("CHAT_URL", url)
    return NotifyPublisher(NotifyPublisherSettings(name="chat", urls=("env:CHAT_URL",)), context)


@pytest.mark.parametrize("kind", ["findings", "hostile"])
@pytest.mark.parametrize("channel", sorted(URLS))
async def test_every_channel_gets_what_a_person_has_read(
    channel: str, kind: str, hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bodies as they arrive at the hosts of each service: of a usual verdict, and of a list of all traps for all of them."""
    hosts.status = 202 if channel == "pagerduty" else 200
    chat = publisher(URLS[channel], context, monkeypatch)
    if kind == "findings":
        await chat.publish(a_verdict_with_findings(), Notes())
    else:
        await chat.send(A_HOSTILE_MESSAGE)
    (posted,) = hosts.posted
    golden = GOLDEN / f"{channel}-{kind}.json"
    if "REGENERATE" in os.environ:
        golden.write_text(json.dumps(posted.json, indent=2, ensure_ascii=True) + "\n")
    assert posted.json == json.loads(golden.read_text())


@pytest.mark.parametrize(("channel", "most"), [("slack", 3000), ("slack-text", 3000), ("discord", 2000), ("telegram", 4096)])
async def test_no_name_makes_a_message_too_long(
    channel: str, most: int, hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured as it arrives, escapes and all: what a chat refuses for its length is told to nobody."""
    items = tuple(Item(line=(foreign("<&" * 100),)) for _ in range(40))
    await publisher(URLS[channel], context, monkeypatch).send(
        Message(
            title=(ours("fail"),), blocks=(Listing(items=items, noun="images"),), links=(Link(label="all", url="https://a.b/"),)
        )
    )
    (posted,) = hosts.posted
    texts = [value for value in strings(posted.json) if "&" in value]
    assert len(texts) == 1
    assert most / 2 < len(texts[0].encode()) <= most
    assert "more images" in texts[0]


def strings(value: Any) -> Iterator[str]:
    """Every text of a document."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


async def test_a_message_goes_to_the_host_and_the_path_of_its_url(
    hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is written for apprise, and as Slack itself gives it out."""
    for url in (URLS["slack"], f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}"):
        await publisher(url, context, monkeypatch).publish(a_verdict(), Notes())
    assert {(each.host, each.path) for each in hosts.posted} == {("hooks.slack.com", f"/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}")}
    assert len(hosts.posted) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, PermanentError) for status in (301, 400, 401, 403, 404, 410)),
        *((status, RetryableError) for status in (408, 425, 429, 500, 503)),
    ],
)
@pytest.mark.parametrize("channel", ["slack", "teams"])
async def test_what_a_chat_answers_decides_whether_it_is_told_again(
    channel: str,
    status: int,
    error: type[Exception],
    hosts: ChatHosts,
    context: PublisherContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer is named, the URL is not; and however long a chat wants to be left alone, nobody sleeps over it."""
    hosts.status, hosts.text = status, f"no: {TOKEN} {SIGNATURE}"
    hosts.headers = {"Retry-After": "86400000", "Location": "https://hooks.slack.com/elsewhere"}
    with pytest.raises(error, match=rf"^notify chat: .* answered {status}") as caught:
        await publisher(URLS[channel], context, monkeypatch).publish(a_verdict(), Notes())
    assert TOKEN not in str(caught.value)
    assert SIGNATURE not in str(caught.value)
    assert len(hosts.posted) == 1


async def test_a_chat_that_nobody_can_reach_is_tried_again(
    hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name leads nowhere, or nothing listens."""
    for url in (f"mmosts://other.example.com/{TOKEN}", f"mmost://127.0.0.1:9/{TOKEN}"):
        with pytest.raises(NotifyUnavailableError) as caught:
            await publisher(url, context, monkeypatch).publish(a_verdict(), Notes())
        assert TOKEN not in str(caught.value)
    assert hosts.posted == []


async def test_an_answer_that_does_not_come_in_time_is_a_failure_that_passes(
    context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long is waited stands in the URL."""
    hosts = ChatHosts(held=asyncio.Event())
    async with served(hosts) as server:
        chat = publisher(f"json://127.0.0.1:{server.port}/?rto=0.2", context, monkeypatch)
        with pytest.raises(NotifyUnavailableError):
            await chat.publish(a_verdict(), Notes())
        assert hosts.held is not None
        hosts.held.set()


async def test_what_a_url_says_about_failures_is_not_heeded(context: PublisherContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """`optional` would make a success of them; `retry` and `wait` would hide them for minutes."""
    hosts = ChatHosts(status=500)
    async with served(hosts) as server:
        with pytest.raises(NotifyUnavailableError):
            await publisher(f"json://127.0.0.1:{server.port}/?optional=yes&retry=3&wait=60", context, monkeypatch).publish(
                a_verdict(), Notes()
            )
    assert len(hosts.posted) == 1


async def test_a_chat_that_hangs_holds_nobody_up_but_itself(context: PublisherContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are told meanwhile, and it gets one message at a time, however many there are."""
    slow, quick = ChatHosts(held=asyncio.Event()), ChatHosts()
    async with served(slow) as slow_server, served(quick) as quick_server, asyncio.TaskGroup() as group:
        hanging = publisher(f"json://127.0.0.1:{slow_server.port}/", context, monkeypatch)
        for _ in range(8):
            group.create_task(hanging.publish(a_verdict(), Notes()))
        await slow.arrived.wait()
        await publisher(f"json://127.0.0.1:{quick_server.port}/", context, monkeypatch).publish(a_verdict(), Notes())
        assert len(quick.posted) == 1
        assert len(slow.posted) == 1
        assert slow.held is not None
        slow.held.set()
    assert len(slow.posted) == 8


async def test_who_stops_waiting_leaves_no_second_message_behind(
    context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is under way cannot be called back; the next one waits for it."""
    hosts = ChatHosts(held=asyncio.Event())
    async with served(hosts) as server:
        chat = publisher(f"json://127.0.0.1:{server.port}/", context, monkeypatch)
        first = asyncio.create_task(chat.publish(a_verdict(), Notes()))
        await hosts.arrived.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(chat.publish(replace(a_verdict(), outcome=Outcome.UNKNOWN), Notes()))
        await asyncio.sleep(0)
        assert len(hosts.posted) == 1
        assert hosts.held is not None
        hosts.held.set()
        await second
    assert [each.json["title"].partition(":")[0] for each in hosts.posted] == ["fail", "unknown"]


async def test_a_chat_that_never_ends_its_answer_holds_one_thread(
    context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is tried; and once it has ended, the next message goes out."""
    hosts = ChatHosts(held=asyncio.Event())
    async with served(hosts) as server:
        monkeypatch.setenv("CHAT_URL", f"json://127.0.0.1:{server.port}/")
        settings = NotifyPublisherSettings(name="chat", urls=("env:CHAT_URL",))
        chat = NotifyPublisher(settings, context, send_seconds=0.1)
        for _ in range(3):
            with pytest.raises(NotifyUnavailableError, match=r"no answer within 0\.1 seconds"):
                await chat.publish(a_verdict(), Notes())
        await hosts.arrived.wait()
        assert len(hosts.posted) == 1
        assert [thread.name for thread in threading.enumerate()].count("notify-chat") == 1
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "notify-chat")
        assert hosts.held is not None
        hosts.held.set()
        while len(hosts.posted) == 1:
            with suppress(NotifyUnavailableError):
                await chat.publish(a_verdict(), Notes())


@pytest.mark.parametrize(("more", "closes"), [("", True), ("?action=map", True), ("?dedup=mine", False)])
async def test_an_incident_ends_when_its_verdict_is_resolved(
    more: str, closes: bool, hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is woken up by good news; another image's incident stays, and whoever has a key of his own keeps it."""
    hosts.status = 202
    pager = publisher(URLS["pagerduty"] + more, context, monkeypatch)
    other = replace(a_verdict().subject, digest=Digest("sha256:" + "9" * 64))
    await pager.publish(a_verdict(), Notes())
    await pager.publish(a_verdict(subject=other), Notes())
    await pager.publish(a_verdict(outcome=Outcome.PASS, findings=()), Notes())
    first, second, last = (each.json for each in hosts.posted)
    assert (first["event_action"], second["event_action"]) == ("trigger", "trigger")
    assert last["event_action"] == ("resolve" if closes else "trigger")
    assert first["dedup_key"] == last["dedup_key"]
    assert (first["dedup_key"] != second["dedup_key"]) is closes


async def test_incidents_are_not_put_together(hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own end; only where a pager would ring all day is it told of all at once."""
    hosts.status = 202
    pager = publisher(URLS["pagerduty"], context, monkeypatch)
    subjects = [replace(a_verdict().subject, digest=Digest(f"sha256:{number:064}")) for number in range(MOST_INCIDENTS + 1)]
    many = [News(verdict=a_verdict(id=each.digest, subject=each)) for each in subjects]
    await pager.publish_together(many[:2], "")
    assert len({each.json["dedup_key"] for each in hosts.posted}) == 2
    await pager.publish_together(many, "budget")
    assert len(hosts.posted) == 3
    assert f"{len(many)} images" in hosts.posted[-1].json["payload"]["summary"]


async def test_an_incident_goes_with_its_tag(hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that takes a failing one's tag and fails as well has the one incident there is; what mends it ends that."""
    hosts.status = 202
    pager = publisher(URLS["pagerduty"], context, monkeypatch)
    first, second, third = (
        a_verdict(subject=replace(a_verdict().subject, digest=Digest(f"sha256:{number:064}"))) for number in range(3)
    )
    fixed = replace(third, outcome=Outcome.PASS, findings=())
    await pager.publish_together([News(verdict=first)], "")
    await pager.publish_together([News(verdict=second, told=first)], "")
    await pager.publish_together([News(verdict=fixed, told=second)], "")
    keys = [each.json["dedup_key"] for each in hosts.posted]
    assert [each.json["event_action"] for each in hosts.posted] == ["trigger", "resolve", "trigger", "resolve"]
    assert keys == [keys[0], keys[0], keys[2], keys[2]]


async def test_however_much_is_over_each_incident_ends(
    hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what begins is put together where it is too much. What takes longer than an attempt goes on where that ended."""
    hosts.status = 202
    pager = publisher(URLS["pagerduty"], context, monkeypatch)
    failed = [
        a_verdict(id=f"v-{number}", subject=replace(a_verdict().subject, digest=Digest(f"sha256:{number:064}")))
        for number in range(MOST_INCIDENTS + 1)
    ]
    pager._service.request_rate_per_sec = 0  # or it would take half a minute
    pager._together_seconds = 0.0
    over = [News(verdict=replace(each, outcome=Outcome.PASS, findings=()), told=each) for each in failed]
    for told in range(1, len(over)):
        with pytest.raises(NotifyGoesOnError):
            await pager.publish_together([*over, News(verdict=a_verdict(id="new"))], "")
        assert len(hosts.posted) == told
    await pager.publish_together([*over, News(verdict=a_verdict(id="new"))], "")
    assert [each.json["event_action"] for each in hosts.posted] == [*["resolve"] * len(over), "trigger"]
    assert len({each.json.get("dedup_key") for each in hosts.posted[: len(over)]}) == len(over)


async def test_an_alert_is_closed_when_its_verdict_is_resolved(
    hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Opsgenie does it: by the request that opened it."""
    hosts.status, hosts.text = 202, '{"result": "Request will be processed", "requestId": "r-1"}'
    pager = publisher(f"opsgenie://{'a' * 36}", context, monkeypatch)
    await pager.publish(a_verdict(), Notes())
    await pager.publish(a_verdict(outcome=Outcome.PASS, findings=()), Notes())
    opened, closed = hosts.posted
    assert len(opened.json["alias"]) == 64
    assert closed.path.partition("?")[0] == "/v2/alerts/r-1/close"


async def test_a_verdict_that_left_the_outcomes_is_called_resolved(
    hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was told of a failure reads in the title that it is over."""
    await publisher(URLS["slack"], context, monkeypatch).publish(a_verdict(outcome=Outcome.PASS, findings=()), Notes())
    (posted,) = hosts.posted
    header = posted.json["attachments"][0]["blocks"][0]["text"]["text"]
    assert header == "resolved: registry.example.com/team/app:v1 (production) is now pass"


@pytest.mark.parametrize(
    "url",
    [
        f"nonesuch://{TOKEN}",
        f"slack://{TOKEN}",
        TOKEN,
        f"https://{TOKEN}.example.com/",
        "json://",
        f"file:///{TOKEN}",
        f"json://one.example.com/{TOKEN}, json://two.example.com/{TOKEN}",
        f"json://one.example.com\njson://{TOKEN}",
    ],
)
def test_a_url_that_is_none_is_an_error_at_the_start(
    url: str, monkeypatch: pytest.MonkeyPatch, context: PublisherContext, logged: io.StringIO
) -> None:
    """It names the publisher and the reference; what is secret is in no error and in no log."""
    with pytest.raises(ConfigurationError, match=r"^publisher chat: what env:CHAT_URL holds is ") as caught:
        publisher(url, context, monkeypatch)
    assert TOKEN not in str(caught.value)
    assert logged.getvalue() == ""


async def test_nothing_of_a_message_is_logged_by_others(
    hosts: ChatHosts, context: PublisherContext, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    """Apprise logs URLs with their tokens when it is asked to, and when it fails."""
    for hosts.status in (200, 500):
        chat = publisher(URLS["teams"], context, monkeypatch)
        try:
            await chat.publish(a_verdict(), Notes())
        except NotifyUnavailableError:
            assert hosts.status == 500
    assert len(hosts.posted) == 2
    assert SIGNATURE not in logged.getvalue()
    assert "workflows" not in logged.getvalue()


def test_the_errors_are_what_dead_letters_and_metrics_know() -> None:
    """As of every receiver."""
    assert (NotifyRefusedError.reason, NotifyUnavailableError.reason) == ("receiver-refused", "receiver-unavailable")
