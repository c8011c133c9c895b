from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.backlog.joining import DEAD_SECONDS, WINDOW_SECONDS, KnownJob, join
from watcher.backlog.protocol import Arrival, Lane
from watcher.model.digest import Digest
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag

NOW = 1_000_000.0
DIGEST = Digest("sha256:" + "a" * 64)


def known(state: str = "waiting", **changes: Any) -> KnownJob:
    values: dict[str, Any] = {"lane": "push", "tags": "v1", "attempts": 0, "put_at": NOW - 1, "due_at": NOW + 60, "reason": ""}
    return KnownJob(**{"id": "job", "environment": None, "state": state, **values, **changes})


def joined(job: KnownJob, tag: str | None = "v1", *, digest: Digest | None = DIGEST, **changes: Any) -> tuple[str, bool] | None:
    """The reason of the receipt, and whether the job was changed; None for a job of its own."""
    push = Push(registry=Host("r"), repository=RepositoryName("app"), tag=Tag(tag) if tag else None, digest=digest)
    said: dict[str, Any] = {"delivery_key": "1", "received_at": datetime.fromtimestamp(NOW, UTC), **changes}
    found = join([job], Arrival(source="main", decision=Pushed(push=push), **said), push, NOW)
    return None if found is None else (found[0].reason, found[1])


def test_a_push_joins_what_waits() -> None:
    """Its tag, its urgency and its haste then are the job's."""
    job = known(lane="sweep")
    assert joined(job, "v2", lane=Lane.CI, wait_seconds=5) == ("joined", True)
    assert (job.tags, job.lane, job.due_at) == ("v1 v2", "ci", NOW + 5)


def test_a_job_that_failed_keeps_its_delay() -> None:
    """An event is no reason to ask a registry that is down again at once."""
    job = known(attempts=2)
    assert joined(job, "v2") == ("joined", True)
    assert job.due_at == NOW + 60


@pytest.mark.parametrize("state", ["leased", "done"])
def test_what_was_announced_a_moment_ago_is_the_same_push(state: str) -> None:
    """Within the window, and for a tag that is judged already; what was not there then is news."""
    assert joined(known(state)) == ("window", False)
    assert joined(known(state), None) == ("window", False)
    assert joined(known(state), "v2") is None
    assert joined(known(state, put_at=NOW - WINDOW_SECONDS)) is None
    assert joined(known(state, reason="gone")) is None


def test_another_environment_is_another_question() -> None:
    """CI may ask for a judgement that no event would give."""
    assert joined(known(), environment="staging") is None


def test_a_tag_without_a_digest_joins_only_what_waits() -> None:
    """It may have moved since that job looked."""
    assert joined(known("leased"), digest=None) is None
    assert joined(known("waiting"), digest=None) == ("joined", True)


def test_a_second_look_is_no_repetition() -> None:
    """Judging again is asked for because something has changed that no push shows."""
    assert joined(known("done"), lane=Lane.REEVALUATE) is None


def test_a_sweep_does_not_repeat_what_is_hopeless() -> None:
    """What is under way it leaves alone, and what could not be judged for a day; a push is a reason to try at once."""
    swept: dict[str, Any] = {"delivery_key": None, "lane": Lane.SWEEP}
    assert joined(known("dead", put_at=NOW - DEAD_SECONDS + 1), **swept) == ("dead", False)
    assert joined(known("dead", put_at=NOW - DEAD_SECONDS), **swept) is None
    assert joined(known("leased", put_at=NOW - 3600), **swept) == ("leased", False)
    assert joined(known("dead")) is None
