"""`watcher events replay`: what arrived, or was captured, once more."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.unit.cli.conftest import Run
from watcher.backlog.protocol import Arrival, Done, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.model.digest import Digest
from watcher.model.push import Decision, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host, RepositoryName, Tag

CONFIGURATION = """\
store: {{url: "sqlite:///{folder}/watcher.db"}}
registries: [{{host: registry.example.com}}]
sources:
  - {{name: hook, type: webhook, dialect: cloudevents, auth: {{type: none}}}}
  - {{name: queue, type: sqs, dialect: cloudevents, queue_url: "https://sqs.eu-west-1.amazonaws.com/123456789012/q"}}
  - {{name: subscription, type: pubsub, dialect: cloudevents, subscription: projects/my-project/subscriptions/s}}
  - {{name: broker, type: mqtt, dialect: cloudevents, host: broker.example.com, topic: "registry/#"}}
"""
THEN = datetime.now(UTC) - timedelta(hours=1)
NOT_WHOLE = b"{" * 9000
PRINTED = {"tst": "2026-11-29T08:21:04.726839Z+0000", "topic": "registry/a", "qos": 1, "retain": 0, "mid": 1}
DIGEST = Digest("sha256:" + "a" * 64)


def event(number: int, host: str = "registry.example.com") -> str:
    named = {"specversion": "1.0", "id": f"{number}", "source": "ci", "type": "com.x.image.pushed"}
    data = {"registryUrl": host, "repository": "team/app", "tag": f"v{number}"}
    return json.dumps(named | {"data": data}, indent=1)


def as_sqs(bodies: list[str]) -> str:
    return json.dumps({"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "MD5OfBody": "-", "Body": each} for each in bodies]})


def as_pubsub(bodies: list[str]) -> str:
    data = [base64.b64encode(each.encode()).decode() for each in bodies]
    said = {"messageId": "7", "publishTime": "2026-03-01T10:00:04.5Z"}
    return json.dumps([{"ackId": "a", "message": said | {"data": each}} for each in data], indent=2)


def as_texts(bodies: list[str]) -> str:
    return "".join(f"{json.dumps(PRINTED | {'payloadlen': len(each), 'payload': each})}\n" for each in bodies)


def as_json(bodies: list[str]) -> str:
    return "".join(f"{json.dumps(PRINTED | {'payloadlen': len(each), 'payload': json.loads(each)})}\n" for each in bodies)


def as_topics(bodies: list[str]) -> str:
    return "".join(f"registry/a {each}\n" for each in bodies)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A configuration with a source of every kind, and the store that a daemon has left."""
    (tmp_path / "watcher.yaml").write_text(CONFIGURATION.format(folder=tmp_path))
    put(tmp_path)
    return tmp_path


def put(folder: Path, *decisions: Decision, **kept: Any) -> None:
    async def run() -> None:
        async with open_database(folder / "watcher.db") as database:
            backlog = SqliteBacklog(database, lambda: THEN)
            for number, decision in enumerate(decisions):
                await backlog.put(
                    [Arrival(source="queue", decision=decision, delivery_key=f"k-{number}", received_at=THEN, **kept)]
                )
            for job in await backlog.lease(list(Lane), 10):
                await backlog.settle(job, Done(result="fail"))

    asyncio.run(run())


def rows(watcher: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in watcher("events", "list", "-o", "json").out.splitlines()]


@pytest.mark.parametrize(
    ("source", "captured"),
    [
        ("hook", "".join),
        ("queue", as_sqs),
        ("subscription", as_pubsub),
        ("broker", as_texts),
        ("broker", as_json),
        ("broker", as_topics),
    ],
)
def test_what_was_captured_is_taken_in_by_its_source(
    watcher: Run, store: Path, source: str, captured: Callable[[list[str]], str]
) -> None:
    """As it would have taken it in; each image is one job, whatever is repeated, in one file or in several."""
    one, two = captured([event(1)]), captured([event(2)])
    (store / "a").write_text(captured([event(1)] * 3) if source != "hook" else one)
    (store / "b").write_text(one + two if source != "hook" else two)
    ended = watcher("events", "replay", "--source", source, "a", "b")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("2 accepted, ")
    assert ended.out.endswith(" duplicates, 0 ignored, 0 rejected\n")
    accepted = [row for row in rows(watcher) if row["decision"] == "accepted"]
    assert [(row["source"], row["registry"], row["tag"], row["job_state"]) for row in accepted] == [
        (source, "registry.example.com", "v2", "waiting"),
        (source, "registry.example.com", "v1", "waiting"),
    ]


def test_an_image_is_judged_again(watcher: Run, store: Path) -> None:
    """That its event arrived before, and was judged, does not make it a repetition; the same number twice is one."""
    push = Push(
        registry=Host("registry.example.com"),
        repository=RepositoryName("team/app"),
        tag=Tag("v1"),
        digest=DIGEST,
    )
    put(store, Pushed(push=push))
    (before,) = rows(watcher)
    assert before["job_state"] == "done"
    assert watcher("events", "replay", before["id"], before["id"]).out == "1 accepted, 0 duplicates, 0 ignored, 0 rejected\n"
    newest, _ = rows(watcher)
    assert (newest["source"], newest["digest"], newest["tag"], newest["job_state"]) == ("queue", push.digest, "v1", "waiting")
    assert newest["job_id"] != before["job_id"]


def test_what_was_rejected_is_read_by_the_configuration_of_now(watcher: Run, store: Path) -> None:
    """Each body once, though several events of it were rejected; and again as long as it is."""
    foreign = json.dumps([json.loads(event(number, "hub.internal")) for number in (1, 2)])
    (store / "a").write_text(as_sqs([foreign]))
    assert watcher("events", "replay", "--source", "queue", "a").out == "0 accepted, 0 duplicates, 0 ignored, 2 rejected\n"
    rejected = [row["id"] for row in rows(watcher)]
    assert watcher("events", "replay", *rejected).out == "0 accepted, 0 duplicates, 0 ignored, 2 rejected\n"
    put(store, Rejected(reason="invalid-json", detail=""), excerpt=NOT_WHOLE, body_bytes=len(NOT_WHOLE))
    config = store / "watcher.yaml"
    config.write_text(config.read_text().replace("type: sqs,", "type: sqs, aliases: [hub.internal],"))
    ended = watcher("events", "replay", "--rejected")
    assert ended.out == "2 accepted, 0 duplicates, 0 ignored, 0 rejected\n"
    assert ended.err == "1 rejected event is not kept whole: let the sender send again\n"
    assert [row["tag"] for row in rows(watcher)[:2]] == ["v2", "v1"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((1,), "event 1 was ignored (pull): there is nothing to judge"),
        ((2,), "event 2 was rejected, and 4096 of its 9000 bytes are kept: let its sender send it again"),
        ((3,), "no event 3: `watcher events list` shows them"),
        ((), "name IDs, or give --rejected, or --source NAME and files"),
        ((1, "--rejected"), "name IDs, or give --rejected"),
        (("--source", "queue"), "name IDs, or give --rejected"),
        (("--source", "queue", "--rejected"), "name IDs, or give --rejected"),
        (("a.json",), "an ID is a number of `watcher events list`; for files name their --source"),
        (
            ("--source", "other", "a.json"),
            "no source 'other' that hears of events in the configuration; there are: broker,",
        ),
        (("--source", "queue", "a.json"), "a.json: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_replayed_is_refused(watcher: Run, store: Path, arguments: tuple[object, ...], complaint: str) -> None:
    """With what to do; and nothing of it is taken in."""
    put(store, Ignored(reason="pull"))
    put(store, *[Ignored(reason="pull")], Rejected(reason="invalid-json", detail=""), excerpt=NOT_WHOLE, body_bytes=len(NOT_WHOLE))
    ended = watcher("events", "replay", *arguments)
    assert ended.code == 2
    assert complaint in ended.err
    assert len(rows(watcher)) == 2
