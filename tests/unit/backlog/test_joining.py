from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.backlog.joining import DEAD_SECONDS, WINDOW_SECONDS, Heard, KnownJob, join
from watcher.backlog.protocol import Arrival, Lane
from watcher.model.digest import Digest
from watcher.model.push import Deleted, Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag

NOW = 1_000_000.0
DIGEST = Digest("sha256:" + "a" * 64)


def known(state: str = "waiting", **changes: Any) -> KnownJob:
    values: dict[str, Any] = {"lane": "push", "tags": "v1", "attempts": 0, "put_at": NOW - 1, "due_at": NOW + 60, "reason": ""}
    return KnownJob(**{"id": "job", "environment": None, "state": state, **values, **changes})


def a_push(tag: str | None = "v1", digest: Digest | None = DIGEST) -> Push:
    return Push(registry=Host("r"), repository=RepositoryName("app"), tag=Tag(tag) if tag else None, digest=digest)


def joined(
    *jobs: KnownJob, tag: str | None = "v1", digest: Digest | None = DIGEST, repeats: bool = True, **changes: Any
) -> tuple[str, bool] | None:
    """The reason of the receipt, and whether the job was changed; None for a job of its own."""
    push = a_push(tag, digest)
    said: dict[str, Any] = {"delivery_key": "1", "received_at": datetime.fromtimestamp(NOW, UTC), **changes}
    found = join(jobs, Arrival(source="main", decision=Pushed(push=push), **said), push, NOW, repeats=repeats)
    return None if found is None else (found[0].reason, found[1])


def test_a_push_joins_what_waits() -> None:
    """Its tag, its urgency and its haste then are the job's."""
    job = known(lane="sweep")
    assert joined(job, tag="v2", lane=Lane.CI, wait_seconds=5) == ("joined", True)
    assert (job.tags, job.lane, job.due_at) == ("v1 v2", "ci", NOW + 5)


def test_a_job_that_failed_keeps_its_delay() -> None:
    """An event is no reason to ask a registry that is down again at once."""
    job = known(attempts=2)
    assert joined(job, tag="v2") == ("joined", True)
    assert job.due_at == NOW + 60


@pytest.mark.parametrize("state", ["leased", "done"])
def test_what_was_announced_a_moment_ago_is_the_same_push(state: str) -> None:
    """Within the window, and for a tag that is judged already; what was not there then is news."""
    assert joined(known(state)) == ("window", False)
    assert joined(known(state), tag=None) == ("window", False)
    assert joined(known(state), tag="v2") is None
    assert joined(known(state, put_at=NOW - WINDOW_SECONDS)) is None
    assert joined(known(state, reason="gone")) is None


@pytest.mark.parametrize("state", ["leased", "done"])
def test_what_was_pushed_again_is_news(state: str) -> None:
    """Its tag led elsewhere meanwhile, or it was deleted: how lately it was judged says nothing."""
    assert joined(known(state), repeats=False) is None
    assert joined(known(state, reason="gone"), known(state)) is None


def test_a_job_that_may_have_lost_its_tag_does_not_stand_for_a_push_by_it() -> None:
    """One that is worked on anew has found the tag elsewhere, perhaps before this push; of the digest it says enough."""
    for job in (known("leased", attempts=2), known("leased", lane="sweep"), known("done", lane="sweep")):
        assert joined(job) is None
        assert joined(job, tag=None) == ("window", False)
    assert joined(known("leased", attempts=1)) == ("window", False)


def test_what_was_heard_last_of_a_tag_and_a_digest() -> None:
    """A push repeats what was said where neither another push nor a deletion came in between, within the window."""
    heard, other = Heard(), Digest("sha256:" + "b" * 64)
    place: dict[str, Any] = {"registry": Host("r"), "repository": RepositoryName("app")}
    assert not heard.repeats(a_push())  # of what was said before we began nothing is known
    heard.pushed(a_push(), NOW)
    assert [heard.repeats(a_push()), heard.repeats(a_push(None)), heard.repeats(a_push("v2"))] == [True, True, False]
    heard.pushed(a_push(digest=other), NOW + 1)
    assert [heard.repeats(a_push()), heard.repeats(a_push(None)), heard.repeats(a_push(digest=other))] == [False, True, True]
    heard.deleted(Deleted(**place, digest=other), NOW + 2)
    heard.deleted(Deleted(**place, tag=Tag("v2")), NOW + 2)
    assert [heard.repeats(a_push(digest=other)), heard.repeats(a_push(None, other))] == [False, False]
    assert heard.repeats(a_push(None))
    heard.pushed(a_push("v3"), NOW + 1 + WINDOW_SECONDS)
    assert [heard.repeats(a_push("v3")), heard.repeats(a_push()), len(heard)] == [True, False, 4]
    heard.pushed(a_push("v4"), NOW - 3600)  # the clock was set back
    assert len(heard) == 2


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
