"""The list of referrers that everybody edits, while others do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.publishing import publisher_context
from watcher.model.digest import Digest, digest_of
from watcher.model.image import EMPTY_DIGEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.publishing.protocol import OwnWrites
from watcher.publishing.referrer_index import (
    MOST_REFERRERS,
    ROUNDS,
    Edit,
    ReferrerIndex,
    ReferrerLostError,
    Said,
    TooManyReferrersError,
)
from watcher.registry.access import RegistryClients
from watcher.registry.protocol import Fallback, PutManifest, Referrers
from watcher.registry.referrers import EMPTY_BLOB, build_artifact, index_of, listed_descriptor
from watcher.registry.settings import RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"a": "b"})])
SUBJECT = Descriptor(media_type=IMAGE.media_type, digest=IMAGE.digest, size=len(IMAGE.raw))
TAG = fallback_tag(IMAGE.digest)


async def nothing() -> None:
    """Nobody else is there."""


@dataclass(kw_only=True)
class Watched:
    """`Referrers` of one registry; somebody acts `after` the list was read for the n-th time, or `written`, before we are told."""

    referrers: Referrers
    after: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    written: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    reads: int = 0
    writes: int = 0

    async def listed(self, repository: RepositoryName, subject: Digest, digest: Digest) -> bool | None:
        return await self.referrers.listed(repository, subject, digest)

    async def in_api(self, repository: RepositoryName, subject: Digest) -> Sequence[Descriptor] | None:
        return await self.referrers.in_api(repository, subject)

    async def list_referrers(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None = None
    ) -> Sequence[Descriptor]:
        return await self.referrers.list_referrers(repository, subject, artifact_type)

    async def read_fallback(self, repository: RepositoryName, subject: Digest) -> Fallback:
        found = await self.referrers.read_fallback(repository, subject)
        self.reads += 1
        await self.after.get(self.reads, nothing)()
        return found

    async def put_fallback(self, repository: RepositoryName, subject: Digest, raw: bytes, *, seen: Fallback) -> PutManifest:
        put = await self.referrers.put_fallback(repository, subject, raw, seen=seen)
        self.writes += 1
        await self.written.get(self.writes, nothing)()
        return put


class Bench:
    def __init__(self, registry: MemoryRegistry, own_writes: OwnWrites, registries: RegistryClients) -> None:
        self.registry, self.own_writes = registry, own_writes
        access = registries.access(registry.host)
        self.watched = Watched(referrers=access.referrers)
        self.index = ReferrerIndex(
            access=replace(access, referrers=self.watched), own_writes=own_writes, repository=APP, image=IMAGE.digest
        )

    def artefact(self, name: str) -> dict[str, Any]:
        """Put there, as an entry."""
        held = self.registry.content.writable(APP)
        held.blobs[EMPTY_DIGEST] = EMPTY_BLOB
        raw = build_artifact(SUBJECT, f"application/x.{name}", (), {"name": name})
        return listed_descriptor(raw, held.put_manifest(raw, OCI_MANIFEST, digest_of(raw)).digest)

    def put_list(self, *entries: dict[str, Any]) -> Digest:
        """As another client writes it."""
        return self.registry.content.writable(APP).put_manifest(index_of(entries), OCI_INDEX, TAG).digest

    def names(self) -> list[str]:
        body = self.registry.content.existing(APP).manifest(TAG).body
        return [entry["annotations"]["name"] for entry in body["manifests"]]

    async def add(self, *entries: dict[str, Any]) -> None:
        async def decide(_: Sequence[Said]) -> Edit:
            return Edit(add=entries)

        await self.index.edit(decide)

    async def drop(self, *entries: dict[str, Any]) -> None:
        async def decide(_: Sequence[Said]) -> Edit:
            return Edit(drop=[entry["digest"] for entry in entries])

        await self.index.edit(decide)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with (
        publisher_context(tmp_path / "w.db") as context,
        serve_registry() as registry,
        RegistryClients.of([RegistrySettings(host=registry.host)]) as registries,
    ):
        put_image(registry, APP, IMAGE, "v1")
        yield Bench(registry, context.own_writes, registries)


async def test_nothing_lies_between_the_last_look_and_the_write(bench: Bench) -> None:
    """The claim, which costs a flush of a disk, comes before."""
    await bench.add(bench.artefact("ours"))
    requests = [seen.method for seen in bench.registry.seen if str(TAG) in seen.path]
    assert requests == ["GET", "GET", "PUT", "GET"]
    ours = bench.registry.content.existing(APP).tags[TAG]
    assert await bench.own_writes.claimed([ours]) == {ours: TAG}


@pytest.mark.parametrize("moment", ["looked", "written"])
async def test_who_writes_meanwhile_loses_nothing(bench: Bench, moment: str) -> None:
    """Between the two looks, or over our entry: we look again."""
    ours, others = bench.artefact("ours"), [bench.artefact(f"other-{number}") for number in range(3)]

    async def write() -> None:
        bench.put_list(*others)

    bench.put_list(others[0])
    (bench.watched.after if moment == "looked" else bench.watched.written)[1] = write
    await bench.add(ours)
    assert bench.names() == ["other-0", "other-1", "other-2", "ours"]


async def test_what_is_never_as_we_left_it_is_tried_again_later(bench: Bench) -> None:
    """By the outbox; we do not fight."""
    others = [bench.artefact(f"other-{number}") for number in range(2)]

    async def write() -> None:
        bench.put_list(others[bench.watched.reads % 2])

    bench.watched.after = dict.fromkeys(range(1, 4 * ROUNDS), write)
    with pytest.raises(ReferrerLostError):
        await bench.add(bench.artefact("ours"))


async def test_the_last_entry_takes_the_list_along(bench: Bench) -> None:
    """No tag is left over. Where nothing can be deleted, the list is empty."""
    ours, other = bench.artefact("ours"), bench.artefact("other")
    await bench.add(ours)
    await bench.drop(ours)
    assert TAG not in bench.registry.content.existing(APP).tags
    await bench.add(ours, other)
    await bench.drop(ours)
    assert bench.names() == ["other"]
    bench.registry.faults.add(Fault(method="DELETE", status=405, times=9))
    await bench.drop(other)
    assert bench.names() == []
    await bench.drop(other)


async def test_there_is_room_for_so_many(bench: Bench) -> None:
    """An enforcer that refuses images with more would refuse this one for ours; what is replaced needs no room."""
    others = [bench.artefact(f"other-{number}") for number in range(MOST_REFERRERS - 1)]
    bench.put_list(*others)
    first, second, third = (bench.artefact(name) for name in ("first", "second", "third"))
    await bench.add(first)
    with pytest.raises(TooManyReferrersError, match="50 referrers"):
        await bench.add(second)

    async def instead(_: Sequence[Said]) -> Edit:
        return Edit(add=[third], drop=[first["digest"]])

    await bench.index.edit(instead)
    assert bench.names() == [*(f"other-{number}" for number in range(MOST_REFERRERS - 1)), "third"]
