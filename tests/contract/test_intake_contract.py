"""What is true of whatever sources hand their news to: the real intake, and the one that tests hold up and break."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.inboxes import RecordingInbox
from tests.doubles.intakes import RecordingIntake, open_intake
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.model.digest import Digest
from watcher.model.errors import RetryableError
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName
from watcher.pipeline.intake import DurableIntake
from watcher.sources.protocol import Accepted
from watcher.sources.protocol import Intake as AnyIntake
from watcher.store.own_writes import OwnWriteStore

HOST, APP = Host("registry.example.com"), RepositoryName("team/app")
TARGET = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "repository": APP, "tag": "v1"}
BODY = json.dumps({"events": [{"id": "e", "action": "push", "target": {**TARGET, "digest": "sha256:" + "a" * 64}}]}).encode()


@dataclass(kw_only=True)
class Taking:
    """An intake, how many pieces of news are kept behind it, and how to break that and mend it again."""

    intake: AnyIntake
    kept: Callable[[], int]
    breaks: Callable[[bool], None]


@asynccontextmanager
async def _pipeline(folder: Path) -> AsyncIterator[Taking]:
    inbox, clock = RecordingInbox(), HandClock()
    async with open_database(folder / "w.db") as database:
        intake = DurableIntake(
            dialects={"main": DIALECTS["distribution"]},
            backlog=inbox,
            own_writes=OwnWriteStore(database, clock),
            clock=clock,
            counted=lambda source, fate, reason: None,
        )
        yield Taking(intake=intake, kept=lambda: len(inbox.arrivals), breaks=lambda broken: setattr(inbox, "broken", broken))


@asynccontextmanager
async def _recording(_: Path) -> AsyncIterator[Taking]:
    intake = open_intake()
    yield Taking(
        intake=intake,
        kept=lambda: len(intake.taken) + len(intake.swept),
        breaks=lambda broken: setattr(intake, "broken", broken),
    )


INTAKES: Mapping[type, Callable[[Path], AbstractAsyncContextManager[Taking]]] = {
    DurableIntake: _pipeline,
    RecordingIntake: _recording,
}


@pytest.fixture(params=INTAKES)
async def taking(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Taking]:
    async with INTAKES[request.param](tmp_path) as opened:
        assert type(opened.intake) is request.param
        yield opened


def delivery() -> Delivery:
    return Delivery(registry=HOST, headers={}, body=BODY)


def pushes(letters: str) -> list[Push]:
    return [Push(registry=HOST, repository=APP, digest=Digest("sha256:" + letter * 64)) for letter in letters]


async def test_what_was_accepted_is_kept(taking: Taking) -> None:
    """When it returns, what a sender said and what a sweep found are where they survive."""
    assert await taking.intake("main", delivery()) == Accepted(accepted=1)
    assert taking.kept() == 1
    assert await taking.intake.found("main", pushes("bc")) == Accepted(accepted=2)
    assert taking.kept() == 3
    assert await taking.intake.found("main", []) == Accepted()


async def test_what_cannot_be_kept_is_to_be_said_again(taking: Taking) -> None:
    """The source must not acknowledge it; later the same news is taken."""
    taking.breaks(True)
    with pytest.raises(RetryableError):
        await taking.intake("main", delivery())
    with pytest.raises(RetryableError):
        await taking.intake.found("main", pushes("b"))
    assert taking.kept() == 0
    taking.breaks(False)
    assert (await taking.intake("main", delivery())).accepted == 1
    assert taking.kept() == 1
