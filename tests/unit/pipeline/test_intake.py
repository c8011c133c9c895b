import json
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.doubles.hand_clock import HandClock
from tests.doubles.inboxes import FullDiskError, RecordingInbox
from watcher.backlog.protocol import Lane
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.model.digest import Digest
from watcher.model.image import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from watcher.model.push import EXCERPT_BYTES, Decision, Deleted, Handshake, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Subject
from watcher.pipeline.intake import SAME_BODY_SECONDS, DurableIntake
from watcher.sources.protocol import Accepted

OURS, LIST = Digest("sha256:" + "0" * 64), Digest("sha256:" + "2" * 64)
# What we wrote ourselves; a list of referrers is ours by its tag alone.
CLAIMED: Mapping[Digest, Tag | None] = {OURS: None, LIST: Tag("sha256-" + "3" * 64)}
THEIRS = Digest("sha256:" + "1" * 64)


class Claims:
    """The digests that we wrote ourselves."""

    def __init__(self) -> None:
        self.asked = 0

    async def claim(self, digests: Collection[Digest], *, under: Tag | None = None) -> None:
        return

    async def forget(self, digests: Collection[Digest]) -> None:
        return

    async def keep(self, digests: Collection[Digest]) -> None:
        return

    async def forgotten(self, digest: Digest) -> bool:
        return False

    async def claimed(self, digests: Collection[Digest]) -> Mapping[Digest, Tag | None]:
        self.asked += 1
        return {digest: tag for digest, tag in CLAIMED.items() if digest in digests}

    def lock(self, subject: Subject) -> AbstractAsyncContextManager[None]:
        raise NotImplementedError


class HandshakeDialect:
    def read(self, delivery: Delivery) -> list[Decision]:
        return [Handshake()]


class Bench:
    def __init__(self) -> None:
        self.backlog = RecordingInbox()
        self.clock = HandClock()
        self.claims = Claims()
        self.counts: list[tuple[str, str, str]] = []
        self.refused: list[tuple[str, str, int]] = []
        self.intake = DurableIntake(
            dialects={"main": DIALECTS["distribution"], "second": DIALECTS["distribution"], "shaking": HandshakeDialect()},
            backlog=self.backlog,
            own_writes=self.claims,
            clock=self.clock,
            counted=lambda *counted: self.counts.append(counted),
            refused=lambda *refused: self.refused.append(refused),
        )

    async def take(self, *events: dict[str, Any], source: str = "main") -> Accepted:
        return await self.take_body(json.dumps({"events": events}).encode(), source=source)

    async def take_body(self, body: bytes, *, source: str = "main", **more: Any) -> Accepted:
        delivery = Delivery(registry=Host("registry.example.com"), headers={}, body=body, **more)
        return await self.intake(source, delivery)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_a_deletion_may_have_changed_is_looked_at_in_the_same_breath(bench: Bench) -> None:
    """It is on disk with the deletion, once however often that is said, and nobody is told that it was sent."""

    async def looks(gone: Deleted) -> list[Push]:
        return [Push(registry=gone.registry, repository=gone.repository, tag=gone.tag, digest=gone.digest)]

    bench.intake.second_looks = looks
    event = {**push(), "action": "delete"}
    first, again = await bench.take(event), await bench.take(event)
    assert [fate for _, fate, _ in bench.counts] == ["ignored", "duplicate"]
    assert (first.accepted, first.ignored, again.accepted) == (0, 1, 0)
    deletion, look, *_ = bench.backlog.arrivals
    assert isinstance(deletion.decision, Deleted)
    assert isinstance(look.decision, Pushed)
    assert look.lane is Lane.REEVALUATE
    assert look.delivery_key == bench.backlog.arrivals[3].delivery_key != deletion.delivery_key


def push(
    event_id: str | None = "e1", *, media_type: str = OCI_MANIFEST, tag: str | None = "v1", digest: str = THEIRS
) -> dict[str, Any]:
    target = {"mediaType": media_type, "repository": "team/app", "digest": digest, "tag": tag or ""}
    return {"id": event_id or "", "action": "push", "target": target}


async def test_every_event_of_a_delivery_is_put_at_once(bench: Bench) -> None:
    """One call of the backlog, so that a delivery is on disk as a whole or not at all; each event is counted with its reason."""
    pull = {**push("e2"), "action": "pull"}
    broken = push("e3", digest="sha256:short")
    assert await bench.take(push(), pull, broken) == Accepted(accepted=1, ignored=1, rejected=1)
    assert [type(arrival.decision) for arrival in bench.backlog.arrivals] == [Pushed, Ignored, Rejected]
    assert bench.counts == [("main", "accepted", ""), ("main", "ignored", "pull"), ("main", "rejected", "invalid-digest")]


@pytest.mark.parametrize(
    ("media_type", "tag", "wait_seconds"),
    [(OCI_MANIFEST, None, 5.0), (OCI_MANIFEST, "v1", 0.0), (OCI_INDEX, None, 0.0), (DOCKER_LIST, "v1", 0.0)],
)
async def test_only_what_may_belong_to_an_index_waits_for_one(
    bench: Bench, media_type: str, tag: str | None, wait_seconds: float
) -> None:
    """A manifest pushed by digest alone waits; a tagged one and an index do not."""
    await bench.take(push(media_type=media_type, tag=tag))
    assert bench.backlog.arrivals[0].wait_seconds == wait_seconds


async def test_what_we_wrote_ourselves_is_ignored(bench: Bench) -> None:
    """By its digest, whatever tag it has; its neighbours in the delivery are taken."""
    assert await bench.take(push("e1", digest=OURS), push("e2")) == Accepted(accepted=1, ignored=1)
    first = bench.backlog.arrivals[0].decision
    assert first == Ignored(reason="published-by-us", event_id="e1")


async def test_a_list_that_we_wrote_is_work_under_any_other_name(bench: Bench) -> None:
    """Others are in it too, and somebody could give it the name of an application."""
    mine = push("e1", digest=LIST, tag=CLAIMED[LIST])
    others = push("e2", digest=LIST, tag="latest"), push("e3", digest=LIST, tag=None)
    assert await bench.take(mine, *others) == Accepted(accepted=2, ignored=1)


async def test_what_somebody_asks_for_comes_before_everything_that_was_announced(bench: Bench) -> None:
    """By the id of its job it is waited for; also of what we wrote ourselves somebody may want to know."""
    asked = Push(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=Digest(OURS))
    job_id = await bench.intake.submit("api", asked, environment="staging")
    (arrival,) = bench.backlog.arrivals
    assert (arrival.decision, arrival.lane, arrival.environment) == (Pushed(push=asked), Lane.CI, "staging")
    assert job_id == arrival.job_id == arrival.delivery_key
    assert bench.counts == [("api", "accepted", "")]


async def test_the_store_is_not_asked_about_what_is_no_push(bench: Bench) -> None:
    """Most events of a registry are blobs and pulls."""
    await bench.take({**push(), "action": "pull"})
    assert bench.claims.asked == 0


async def test_a_repeated_delivery_is_known_by_the_senders_ids(bench: Bench) -> None:
    """The same id is a duplicate, even in another body; another source has ids of its own."""
    await bench.take(push("e1"))
    assert await bench.take(push("e2"), push("e1")) == Accepted(accepted=1, duplicates=1)
    assert await bench.take(push("e1"), source="second") == Accepted(accepted=1)


async def test_without_ids_a_repeated_delivery_is_known_by_its_body(bench: Bench) -> None:
    """White space and the order of keys are no difference; the place in the body is one."""
    event = push(None)
    assert await bench.take(event, event) == Accepted(accepted=2)
    reordered = {name: event[name] for name in reversed(event)}
    assert await bench.take_body(json.dumps({"events": [reordered, event]}, indent=3).encode()) == Accepted(duplicates=2)
    assert await bench.take(push(None, tag="v2")) == Accepted(accepted=1)


async def test_a_rejected_body_is_kept_in_part(bench: Bench) -> None:
    """Its beginning, its size and its hash: enough for a person to see what it was."""
    body = b"x" * (EXCERPT_BYTES + 1)
    await bench.take_body(body)
    (arrival,) = bench.backlog.arrivals
    assert (len(arrival.excerpt), arrival.body_bytes, len(arrival.body_sha256)) == (EXCERPT_BYTES, len(body), 64)
    await bench.take(push())
    accepted = bench.backlog.arrivals[1]
    assert (accepted.excerpt, accepted.body_bytes, accepted.body_sha256) == (b"", 0, "")


async def test_a_body_that_was_too_large_is_rejected_unread(bench: Bench) -> None:
    """What it begins with is no reason to believe it, and the size and hash are those of the whole."""
    body = json.dumps({"events": [push()]}).encode()
    assert await bench.take_body(body, whole_bytes=10_000_000, whole_sha256="f" * 64) == Accepted(rejected=1)
    (arrival,) = bench.backlog.arrivals
    assert isinstance(arrival.decision, Rejected)
    assert (arrival.decision.reason, arrival.body_bytes, arrival.body_sha256) == ("too-large", 10_000_000, "f" * 64)
    assert await bench.take_body(body, whole_bytes=10_000_000, whole_sha256="f" * 64) == Accepted(duplicates=1)


async def test_what_cannot_be_kept_is_not_acknowledged(bench: Bench) -> None:
    """The error goes to the source, nothing is counted, and the same delivery is taken later."""
    bench.backlog.broken = True
    with pytest.raises(FullDiskError):
        await bench.take(push())
    assert bench.counts == []
    bench.backlog.broken = False
    assert await bench.take(push()) == Accepted(accepted=1)


async def test_refusals_are_counted_by_themselves(bench: Bench) -> None:
    """Events that could not be kept, whoever brought them: a sender, a sweep, CI."""
    bench.backlog.broken = True
    image = Push(registry=Host("registry.example.com"), repository=RepositoryName("a"), digest=Digest(f"sha256:{'1' * 64}"))
    for refused in (
        bench.take(push(), {**push(), "id": "another"}),
        bench.intake.found("sweep", [image]),
        bench.intake.submit("api", image, environment=None),
    ):
        with pytest.raises(FullDiskError):
            await refused
    assert bench.refused == [
        ("main", FullDiskError.reason, 2),
        ("sweep", FullDiskError.reason, 1),
        ("api", FullDiskError.reason, 1),
    ]


async def test_a_handshake_is_no_work(bench: Bench) -> None:
    """The source has answered it; the inbox shows that it came."""
    assert await bench.take_body(b"{}", source="shaking") == Accepted(ignored=1, handshake=Handshake())


async def test_what_a_sweep_found_waits_behind_what_was_announced(bench: Bench) -> None:
    """Nobody sent it, so it has no delivery to be recognised by; it is counted and rings the bell like everything else."""
    found = Push(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=THEIRS)
    assert await bench.intake.found("catch-up", [found]) == Accepted(accepted=1)
    (arrival,) = bench.backlog.arrivals
    assert (arrival.lane, arrival.delivery_key, arrival.decision) == (Lane.SWEEP, None, Pushed(push=found))
    assert bench.counts == [("catch-up", "accepted", "")]


async def test_what_a_sweep_found_of_ours_is_no_work(bench: Bench) -> None:
    """Our referrers are manifests in the registry like any other."""
    found = Push(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=OURS)
    assert await bench.intake.found("catch-up", [found]) == Accepted(ignored=1)


async def test_what_is_doubted_waits_behind_everything(bench: Bench) -> None:
    """A tag that clients give to signatures is its author's claim: it may delay the manifest, and exempts it from nothing."""
    await bench.take(push(tag=f"sha256-{'1' * 64}.sig"))
    (arrival,) = bench.backlog.arrivals
    assert arrival.lane is Lane.SWEEP
    assert isinstance(arrival.decision, Pushed)


async def test_an_equal_body_is_a_repetition_for_a_while(bench: Bench) -> None:
    """Some senders say neither when nor which event it is: the next push of a tag says what the last one said."""
    assert (await bench.take(push(None))).accepted == 1
    assert (await bench.take(push(None))).duplicates == 1
    bench.clock.advance(SAME_BODY_SECONDS)
    assert (await bench.take(push(None))).accepted == 1
    dated = push(None) | {"timestamp": "2026-11-25T03:07:21Z"}
    assert (await bench.take(dated)).accepted == 1
    bench.clock.advance(SAME_BODY_SECONDS)
    assert (await bench.take(dated)).duplicates == 1
