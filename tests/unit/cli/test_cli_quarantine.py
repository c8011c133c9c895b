"""`watcher quarantine list|release` beside a store that the daemon has left."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.verdicts import FINDING, MOMENT, SUBJECT, a_verdict
from tests.unit.cli.conftest import Run
from watcher.kit.clock import utc_now
from watcher.model.quarantine import Measure, Quarantine, QuarantineState, Step, StepState, TagMove, marker_tag
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.quarantine.decision import fingerprint
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.quarantines import StoredQuarantines
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry

pytestmark = pytest.mark.enable_socket

APP = RepositoryName("team/app")
BAD = build_image([build_layer({"a": "bad"})])
GOOD = build_image([build_layer({"a": "good"})])
MARKER = marker_tag(BAD.digest)
DONE = Step(state=StepState.DONE)


@pytest.fixture
def record(registry: MemoryRegistry) -> Quarantine:
    """A bad image that is marked, and whose `latest` leads to a good one."""
    for image, tag in ((GOOD, "latest"), (BAD, "v2"), (BAD, MARKER)):
        put_image(registry, APP, image, tag)
    move = TagMove(tag=Tag("latest"), to=GOOD.digest, state=StepState.DONE, asked_at=MOMENT, moved_at=MOMENT)
    return Quarantine(
        publisher="block",
        registry=registry.host,
        repository=APP,
        digest=BAD.digest,
        state=QuarantineState.IN_FORCE,
        reason="baseline/aws-keys: a key",
        verdict_id="v-1",
        began_at=MOMENT,
        changed_at=MOMENT,
        steps={Measure.MARK: DONE},
        tags=(move, replace(move, tag=Tag("main"), state=StepState.IMPOSSIBLE, detail="immutable")),
    )


Kept = Callable[..., None]


@pytest.fixture
def kept(tmp_path: Path, registry: MemoryRegistry) -> Kept:
    """A configuration and its store, with records."""
    path = tmp_path / "watcher.db"
    (tmp_path / "watcher.yaml").write_text(
        f'store: {{url: "sqlite:///{path}"}}\nregistries: [{{host: "{registry.host}"}}]\n'
        f'environments: [{{name: production, images: ["{registry.host}/team/**"]}}]\n'
        "publish: [{name: block, type: quarantine, actions: [mark, unpublish], dry_run: false}]\n"
    )

    def keep(*records: Quarantine) -> None:
        async def run() -> None:
            async with open_database(path) as database:
                for each in records:
                    await StoredQuarantines(database).keep(each)
                subject = replace(SUBJECT, registry=registry.host, repository=APP, digest=BAD.digest)
                await StoredVerdicts(database, lambda: MOMENT).record([Judged(verdict=condemning(subject=subject))], nobody)

        asyncio.run(run())

    return keep


def condemning(**changes: object) -> Verdict:
    return a_verdict(outcome=Outcome.FAIL, findings=(FINDING,), **changes)


def found(path: Path, record: Quarantine) -> Quarantine | None:
    async def run() -> Quarantine | None:
        async with open_database(path) as database:
            return await StoredQuarantines(database).find(record.publisher, record.registry, record.repository, record.digest)

    return asyncio.run(run())


def test_what_is_in_quarantine_is_listed(watcher: Run, kept: Kept, record: Quarantine) -> None:
    """With what was done, what was not, and what that blocks; what is over only when asked for."""
    over = replace(record, digest=GOOD.digest, state=QuarantineState.RELEASED, ended_by="watcher", ended_reason="passed")
    kept(record, over)
    ended = watcher("quarantine", "list", "-o", "json")
    (shown,) = [json.loads(line) for line in ended.out.splitlines()]
    assert (shown["digest"], shown["state"], shown["dry_run"]) == (BAD.digest, "in-force", False)
    assert shown["blocks"] == "pulls by latest"
    assert shown["actions"] == {"mark": {"state": "done", "detail": ""}}
    assert [(each["tag"], each["state"], each["detail"]) for each in shown["tags"]] == [
        ("latest", "done", ""),
        ("main", "impossible", "immutable"),
    ]
    assert len(watcher("quarantine", "list", "-o", "json", "--all").out.splitlines()) == 2
    table = watcher("quarantine", "list").out
    assert BAD.digest[:19] in table
    assert "in-force" in table


def test_nothing_in_quarantine_is_said(watcher: Run, kept: Kept) -> None:
    """An empty list is an answer."""
    kept()
    assert watcher("quarantine", "list").err == "Nothing is in quarantine.\n"


def test_an_image_is_let_go(watcher: Run, kept: Kept, record: Quarantine, registry: MemoryRegistry, tmp_path: Path) -> None:
    """Its tags lead to it again, the marker is gone; who and why is kept, and what it was excused for."""
    kept(record)
    ended = watcher("quarantine", "release", BAD.digest[:19], "--reason", "a test key")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{registry.host}/team/app@{BAD.digest}: released from block\n"
    assert registry.content.existing(APP).tags == {"latest": BAD.digest, "v2": BAD.digest}
    over = found(tmp_path / "watcher.db", record)
    assert over is not None
    assert (over.state, over.ended_reason, bool(over.ended_by)) == (QuarantineState.RELEASED, "a test key", True)
    assert over.excused == fingerprint(condemning())
    assert watcher("quarantine", "list").err == "Nothing is in quarantine.\n"


def test_a_daemon_goes_on_where_the_command_is_cut_off(watcher: Run, kept: Kept, record: Quarantine, tmp_path: Path) -> None:
    """It is to tell the publisher once more; one that is not configured any more is told nothing."""

    async def due() -> list[tuple[str, str]]:
        async with open_database(tmp_path / "watcher.db") as database:
            return [(each.verdict_id, each.publisher) for each in await StoredOutbox(database, utc_now).due(9)]

    kept(record, replace(record, publisher="former"))
    assert watcher("quarantine", "release", BAD.digest, "--reason", "mine").code == 0
    assert asyncio.run(due()) == [("v-1", "block")]


def test_what_was_changed_since_is_left_and_said(watcher: Run, kept: Kept, record: Quarantine, registry: MemoryRegistry) -> None:
    """A tag that leads to another image by now is its pusher's."""
    kept(record)
    newer = put_image(registry, APP, build_image([build_layer({"a": "newer"})]), "latest")
    ended = watcher("quarantine", "release", BAD.digest, "--reason", "mine", "-o", "json")
    assert json.loads(ended.out)["state"] == "released"
    assert registry.content.existing(APP).tags == {"latest": newer, "v2": BAD.digest}
    kept(record)
    registry.switches = replace(registry.switches, tag_delete=False)
    put_image(registry, APP, BAD, MARKER)
    ended = watcher("quarantine", "release", BAD.digest, "--reason", "mine")
    assert f"the tag latest was left: leads to {newer} by now" in ended.err
    assert "mark was left: this registry takes no tag away" in ended.err


def test_a_plan_is_let_go_without_a_word_to_the_registry(watcher: Run, kept: Kept, record: Quarantine, tmp_path: Path) -> None:
    """Whoever reads a dry run can except an image before it is done in earnest."""
    planned = replace(record, state=QuarantineState.DRY_RUN, steps={Measure.MARK: Step(state=StepState.PLANNED)}, tags=())
    kept(planned)
    assert watcher("quarantine", "release", BAD.digest, "--reason", "known").code == 0
    over = found(tmp_path / "watcher.db", planned)
    assert over is not None
    assert (over.state, over.steps, bool(over.excused)) == (QuarantineState.RELEASED, {}, True)


def test_it_must_be_clear_which_one_is_meant(watcher: Run, kept: Kept, record: Quarantine, registry: MemoryRegistry) -> None:
    """One in several repositories, one that is nowhere, a few digits, and no reason are no orders."""
    web = RepositoryName("team/web")
    kept(record, replace(record, repository=web))
    several = watcher("quarantine", "release", BAD.digest, "--reason", "mine")
    assert (several.code, "--repository" in several.err) == (2, True)
    for digest in (GOOD.digest, BAD.digest[:12]):
        missing = watcher("quarantine", "release", digest, "--reason", "mine")
        assert (missing.code, "is not in quarantine" in missing.err) == (2, True)
    assert watcher("quarantine", "release", BAD.digest).code == 2
    assert watcher("quarantine", "release", BAD.digest, "--reason", " ").code == 2
    one = watcher("quarantine", "release", BAD.digest, "--reason", "mine", "--repository", "team/app", "--registry", registry.host)
    assert one.code == 0


def test_what_is_not_taken_back_now_is_no_success(
    watcher: Run, kept: Kept, record: Quarantine, registry: MemoryRegistry, tmp_path: Path
) -> None:
    """It is said what is as before, and why; the daemon, or the next call, goes on."""
    kept(record)
    registry.faults.add(Fault(method="PUT", path=".*/latest", status=401, times=100))
    refused = watcher("quarantine", "release", BAD.digest, "--reason", "mine")
    assert (refused.code, refused.out) == (3, "")
    assert "not released from block yet, the tag latest as before: " in refused.err
    now = found(tmp_path / "watcher.db", record)
    assert now is not None
    assert (now.state, now.ended_reason) == (QuarantineState.RELEASING, "mine")
    registry.faults.clear()
    assert watcher("quarantine", "release", BAD.digest, "--reason", "mine").code == 0
    assert registry.content.existing(APP).tags == {"latest": BAD.digest, "v2": BAD.digest}


def test_what_is_held_is_listed(watcher: Run, kept: Kept, record: Quarantine) -> None:
    """However long nobody was told of it any more."""
    kept(replace(record, state=QuarantineState.HELD, steps={}, tags=()))
    (shown,) = [json.loads(line) for line in watcher("quarantine", "list", "-o", "json").out.splitlines()]
    assert shown["state"] == "held"
