"""What `watcher doctor --write` puts beside a daemon is nothing for people: known by its digests, and harmless if it were not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.hand_clock import HandClock
from tests.doubles.judges import REPOSITORY, JudgeBench, open_judge
from watcher.backlog.protocol import Arrival, Done, Lane
from watcher.model.digest import digest_of
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.model.push import Deleted
from watcher.model.verdict import Outcome
from watcher.registry.client import RegistryClient
from watcher.registry.probe_artefacts import ARTIFACT, DIGESTS, EMPTY_BLOB, INDEX, OTHER_INDEX, SUBJECT, TAG
from watcher.registry.probe_write import Writing
from watcher.registry.settings import RegistrySettings
from watcher.storage import opened, owned
from watcher.store.settings import StoreSettings

pytestmark = pytest.mark.enable_socket

MANIFESTS = ((SUBJECT, OCI_MANIFEST), (ARTIFACT, OCI_MANIFEST), (INDEX, OCI_INDEX), (OTHER_INDEX, OCI_INDEX))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    """A judge that nobody told whose these digests are."""
    async with open_judge(tmp_path) as opened_judge:
        yield opened_judge


async def test_a_daemon_knows_them_unclaimed(tmp_path: Path) -> None:
    """Whichever process put them, on whichever machine; and so do commands beside it."""
    settings = StoreSettings(url=f"sqlite:///{tmp_path}/watcher.db")
    async with owned(settings, HandClock()) as daemon, opened(settings, HandClock()) as beside:
        for storage in (daemon, beside):
            assert await storage.own_writes.claimed(DIGESTS) == dict.fromkeys(DIGESTS)


async def test_they_are_what_is_put(bench: JudgeBench) -> None:
    """Every manifest that is sent is one of them."""
    async with RegistryClient(RegistrySettings(host=bench.registry.host)) as client:
        writing = Writing(client, REPOSITORY)
        await writing.attach()
        await writing.move()
        assert {*writing.put} == {*bench.registry.content.existing(REPOSITORY).manifests} == DIGESTS
        assert bench.registry.content.existing(REPOSITORY).tags == {TAG: digest_of(OTHER_INDEX)}
        await writing.delete()
    assert not bench.registry.content.existing(REPOSITORY).manifests


async def test_judged_they_are_not_applicable(bench: JudgeBench) -> None:
    """Artefacts that cannot run and lists of those, alone and by their tag: a daemon of another version is not alarmed."""
    content = bench.registry.content.writable(REPOSITORY)
    content.blobs[digest_of(EMPTY_BLOB)] = EMPTY_BLOB
    for raw, media_type in MANIFESTS:
        content.put_manifest(raw, media_type, TAG if media_type == OCI_INDEX else digest_of(raw))
    for raw, media_type in MANIFESTS:
        tag = str(TAG) if raw == OTHER_INDEX else None
        assert await bench.settled(digest_of(raw), tag=tag) == Done(result=Outcome.NOT_APPLICABLE), media_type
    assert not bench.inspector.seen


async def test_deleted_they_are_gone(bench: JudgeBench) -> None:
    """docker-registry announces what was deleted: nothing is unknown of what was there for a moment."""
    for raw, media_type in MANIFESTS:
        # What a tag does not lead to any more is looked at last, as what a sweep found.
        lane = Lane.SWEEP if media_type == OCI_INDEX else Lane.PUSH
        job = await bench.job(digest_of(raw), tag=str(TAG) if media_type == OCI_INDEX else None, lane=lane)
        decision = Deleted(registry=bench.registry.host, repository=REPOSITORY, digest=digest_of(raw))
        await bench.backlog.put([Arrival(source="main", decision=decision, delivery_key=digest_of(raw), received_at=bench.clock())])
        settlement = await bench.judge.judge(replace(job, attempt=3))
        assert settlement == Done(result="gone")
        await bench.backlog.settle(job, settlement)
    assert not bench.recorded
