"""`watcher verdict show`, `events list` and `dead-letters` on the store of a daemon that is not running."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.verdicts import IMAGE, MOMENT, SUBJECT, a_verdict
from tests.unit.cli.conftest import Run
from watcher.backlog.protocol import Arrival, Dead, Done, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.publication import PublishFailed
from watcher.model.push import Ignored, Push, Pushed
from watcher.model.reference import Tag
from watcher.model.verdict import Outcome
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.images import build_image, put_image
from watcher.testing.registry import MemoryRegistry

NEWER = Digest("sha256:" + "9" * 64)
NAME = f"{SUBJECT.registry}/{SUBJECT.repository}"
# As long as the ids that the daemon chooses.
ZEROS = "0" * 26
FIRST = f"job-0-{ZEROS}"
NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A configuration that names a store with two images that were `v1`, an ignored event and two dead letters."""
    config = tmp_path / "watcher.yaml"
    config.write_text(f"store: {{url: 'sqlite:///{tmp_path}/watcher.db'}}\n")
    asyncio.run(_fill(tmp_path / "watcher.db"))
    return config


async def _fill(path: Path) -> None:
    async with open_database(path) as database:
        newer = replace(SUBJECT, digest=NEWER)
        judged = [
            Judged(verdict=a_verdict()),
            Judged(verdict=a_verdict(id="v-2", subject=newer, outcome=Outcome.WARN)),
            Judged(verdict=a_verdict(id="v-3", tag=Tag("other"), outcome=Outcome.UNKNOWN, evaluated_at=MOMENT)),
        ]
        await StoredVerdicts(database, lambda: MOMENT).record(judged, nobody)
        await _fill_backlog(database)


async def _fill_backlog(database: Database) -> None:
    backlog = SqliteBacklog(database, lambda: NOW)
    for number, digest in enumerate((IMAGE, NEWER)):
        push = Push(registry=SUBJECT.registry, repository=SUBJECT.repository, tag=Tag(f"v{number}"), digest=digest)
        arrival = Arrival(
            source="main", decision=Pushed(push=push), delivery_key=f"k-{number}", received_at=NOW, job_id=f"job-{number}-{ZEROS}"
        )
        await backlog.put([arrival])
    await backlog.put([Arrival(source="main", decision=Ignored(reason="blob"), delivery_key="k-9", received_at=NOW)])
    for job in await backlog.lease(list(Lane), 10):
        await backlog.settle(job, Dead(reason="registry-refused", detail="no \x1b[31mred\x1b[0m [bold]text[/bold]"))


def test_a_tag_means_what_it_last_meant(watcher: Run, store: Path) -> None:
    """The newest verdict that was asked for by this tag decides which image it is."""
    ended = watcher("verdict", "show", f"{NAME}:v1", "-o", "json")
    verdict = json.loads(ended.out)
    assert (ended.code, verdict["id"], verdict["outcome"], verdict["image"]["digest"]) == (0, "v-2", "warn", NEWER)


def test_a_digest_decides(watcher: Run, store: Path) -> None:
    """The latest verdict of a digest; its exit code is that of a scan."""
    ended = watcher("verdict", "show", f"{NAME}@{IMAGE}")
    assert ended.code == 3
    assert "UNKNOWN" in ended.out
    assert NAME in ended.out


def test_an_image_nobody_judged(watcher: Run, store: Path) -> None:
    """Unknown, one line, and what to do."""
    missing = Digest("sha256:" + "e" * 64)
    ended = watcher("verdict", "show", f"{NAME}@{missing}")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == f"watcher: {NAME}@{missing}: no verdict; `watcher scan {NAME}@{missing}` gives one without the daemon\n"


@pytest.mark.enable_socket
def test_a_tag_no_event_named_is_asked_of_its_registry(watcher: Run, registry: MemoryRegistry, store: Path, tmp_path: Path) -> None:
    """The registry knows which image it is, the store what was said of that image."""
    image = build_image()
    digest = put_image(registry, "team/app", image, "latest")
    subject = replace(SUBJECT, registry=registry.host, digest=digest)

    async def record() -> None:
        async with open_database(tmp_path / "watcher.db") as database:
            judged = Judged(verdict=a_verdict(id="v-9", subject=subject, tag=None))
            await StoredVerdicts(database, lambda: MOMENT).record([judged], nobody)

    asyncio.run(record())
    ended = watcher("verdict", "show", f"{registry.host}/team/app:latest", "-o", "json")
    assert (ended.code, json.loads(ended.out)["id"]) == (1, "v-9")
    ended = watcher("verdict", "show", f"{registry.host}/team/app:gone")
    assert (ended.code, ended.err.count("\n")) == (3, 1)
    assert "has no such image, and no event ever named it" in ended.err


def test_another_environment_has_no_verdict(watcher: Run, store: Path) -> None:
    """A verdict belongs to the environment it was made for."""
    assert watcher("verdict", "show", f"{NAME}:v1", "--environment", "production").code == 0
    assert watcher("verdict", "show", f"{NAME}:v1", "--environment", "staging").code == 3


def test_files_have_no_verdict_in_the_store(watcher: Run, store: Path) -> None:
    """That is what `scan` is for."""
    assert watcher("verdict", "show", "oci:somewhere").code == 2


@pytest.mark.parametrize("command", [("verdict", "show", "a:b"), ("events", "list"), ("dead-letters", "list")])
def test_a_store_is_never_created_by_looking(watcher: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Without a daemon's store the command fails in one line and leaves nothing behind."""
    config = tmp_path / "watcher.yaml"
    config.write_text(f"store: {{url: 'sqlite:///{tmp_path}/none.db'}}\n")
    ended = watcher(*command, "-c", config)
    assert ended.code == 2
    assert ended.err == f"watcher: store {tmp_path}/none.db does not exist: `watcher run` creates it\n"
    assert [path.name for path in tmp_path.iterdir()] == ["watcher.yaml"]


def test_events_are_listed_newest_first(watcher: Run, store: Path) -> None:
    """One JSON object per line, or a table."""
    rows = [json.loads(line) for line in watcher("events", "list", "-o", "json").out.splitlines()]
    assert [(row["decision"], row["reason"], row["tag"]) for row in rows] == [
        ("ignored", "blob", None),
        ("accepted", "", "v1"),
        ("accepted", "", "v0"),
    ]
    assert rows[1]["received_at"] == "2026-11-25T10:00:00Z"
    assert "ignored: blob" in watcher("events", "list", "--limit", "1").out


def test_dead_letters_are_listed_as_plain_text(watcher: Run, store: Path) -> None:
    """What a stranger wrote is neither markup nor control characters."""
    rows = [json.loads(line) for line in watcher("dead-letters", "list", "-o", "json").out.splitlines()]
    assert [(row["id"], row["reason"], row["attempts"]) for row in rows] == [
        (f"job-1-{ZEROS}", "registry-refused", 1),
        (f"job-0-{ZEROS}", "registry-refused", 1),
    ]
    shown = watcher("dead-letters", "list").out
    assert "\x1b" not in shown
    assert "[bold]" in "".join(shown.split())
    assert FIRST in shown


def test_a_dead_letter_is_replayed_once(watcher: Run, store: Path) -> None:
    """Afterwards it waits, and is no dead letter any more."""
    assert watcher("dead-letters", "replay", FIRST).out == "1 replayed\n"
    ended = watcher("dead-letters", "replay", FIRST)
    assert (ended.code, ended.out) == (2, "")
    assert f"no dead letter '{FIRST}'" in ended.err


def test_all_dead_letters_are_replayed(watcher: Run, store: Path) -> None:
    """Then there are none."""
    assert watcher("dead-letters", "replay", "--all").out == "2 replayed\n"
    assert watcher("dead-letters", "list").err == "No dead letters.\n"


def test_a_publication_that_failed_is_a_dead_letter_too(watcher: Run, store: Path) -> None:
    """Listed after the jobs, and replayed by its id or with all."""
    asyncio.run(_fail_to_publish(store.parent / "watcher.db"))
    rows = [json.loads(line) for line in watcher("dead-letters", "list", "-o", "json").out.splitlines()]
    assert [row["kind"] for row in rows] == ["job", "job", "publication"]
    letter = rows[-1]
    assert (letter["publisher"], letter["verdict_id"], letter["digest"]) == ("webhook", "v-8", "sha256:" + "8" * 64)
    assert (letter["reason"], letter["detail"], letter["attempts"]) == ("refused", "answered 404", 1)
    assert letter["id"] in watcher("dead-letters", "list").out
    assert watcher("dead-letters", "replay", letter["id"]).out == "1 replayed\n"
    assert watcher("dead-letters", "replay", letter["id"]).code == 2
    asyncio.run(_fail_to_publish(store.parent / "watcher.db"))
    assert watcher("dead-letters", "replay", "--all").out == "3 replayed\n"


async def _fail_to_publish(path: Path) -> None:
    subject = replace(SUBJECT, digest=Digest("sha256:" + "8" * 64))
    async with open_database(path) as database:
        judged = [Judged(verdict=a_verdict(id="v-8", subject=subject))]
        await StoredVerdicts(database, lambda: NOW).record(judged, lambda _verdict, _earlier: ["webhook"])
        outbox = StoredOutbox(database, lambda: datetime.now(UTC))
        for each in await outbox.due(9):
            await outbox.settle(each, PublishFailed(reason="refused", detail="answered 404"))


@pytest.mark.enable_socket
def test_an_image_that_an_event_named_is_known(watcher: Run, store: Path, registry: MemoryRegistry) -> None:
    """Also when it has no verdict: who announced it when, and how its job ended."""

    async def announce() -> None:
        async with open_database(store.parent / "watcher.db") as database:
            backlog = SqliteBacklog(database, lambda: NOW)
            push = Push(registry=registry.host, repository=SUBJECT.repository, tag=Tag("gone"), digest=NEWER)
            await backlog.put([Arrival(source="main", decision=Pushed(push=push), delivery_key="k", received_at=NOW)])
            (job,) = await backlog.lease(list(Lane), 10)
            await backlog.settle(job, Done(result="gone"))

    store.write_text(f"{store.read_text()}registries: [{{host: '{registry.host}'}}]\n")
    asyncio.run(announce())
    row = json.loads(watcher("events", "list", "-o", "json", "--limit", "1").out)
    assert (row["job_state"], row["job_reason"]) == ("done", "gone")
    assert "gone" in watcher("events", "list", "--limit", "1").out
    for name in (":gone", f"@{NEWER}"):
        ended = watcher("verdict", "show", f"{registry.host}/{SUBJECT.repository}{name}")
        assert ended.code == 3
        assert "an event of 2026-11-25 10:00:00 UTC from main named it, whose job ended as gone" in ended.err
        assert "no event ever" not in ended.err


@pytest.mark.parametrize("arguments", [(), (FIRST, "--all")])
def test_one_or_all_must_be_said(watcher: Run, store: Path, arguments: tuple[str, ...]) -> None:
    """Nothing is replayed by mistake."""
    assert watcher("dead-letters", "replay", *arguments).code == 2
