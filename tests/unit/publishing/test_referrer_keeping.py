"""What is pushed beside an image, and the list of it: whoever lost an entry gets it back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.attaching import attached
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.model.digest import Digest
from watcher.model.image import OCI_INDEX
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.referrers_tag import fallback_tag
from watcher.model.verdict import Outcome, Verdict
from watcher.model.verdict_json import VERDICT_TYPE
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.registry.referrers import index_of
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

pytestmark = pytest.mark.enable_socket

APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"a": "b"})])
TAG = fallback_tag(IMAGE.digest)
SIGNATURE = attached(IMAGE, "application/x.signature", b"signed")


@dataclass
class Known:
    """`Judgements`: the verdicts that stand."""

    verdicts: Mapping[Digest, Verdict] = field(default_factory=dict)

    async def standing(self, registry: Host, repository: RepositoryName, digest: Digest) -> Sequence[Verdict]:
        found = self.verdicts.get(digest)
        return [] if found is None else [found]

    async def known_good(self, *_: object) -> Sequence[Digest]:
        raise NotImplementedError

    async def judged_by(self, *_: object, **__: object) -> Sequence[Verdict]:
        raise NotImplementedError


class Bench:
    def __init__(self, registry: MemoryRegistry, publisher: ReferrerPublisher, known: Known) -> None:
        self.registry, self.publisher, self.known = registry, publisher, known
        put_image(registry, APP, IMAGE, "v1")
        known.verdicts = {IMAGE.digest: self.verdict(IMAGE.digest)}

    def verdict(self, digest: Digest, outcome: Outcome = Outcome.FAIL, *tags: Tag) -> Verdict:
        verdict = a_verdict(outcome=outcome)
        subject = replace(verdict.subject, registry=self.registry.host, repository=APP, digest=digest, tags=tags)
        return replace(verdict, subject=subject)

    async def attach_ours(self) -> None:
        await self.publisher.publish(self.verdict(IMAGE.digest), Notes())

    async def hear_of(self, pushed: BuiltImage | Digest, *tags: Tag) -> None:
        """Of something that cannot run."""
        digest = pushed if isinstance(pushed, str) else put_image(self.registry, APP, pushed)
        await self.publisher.publish(self.verdict(digest, Outcome.NOT_APPLICABLE, *tags), Notes())

    def entries(self) -> list[dict[str, Any]]:
        held = self.registry.content.existing(APP)
        listed: list[dict[str, Any]] = held.manifest(TAG).body["manifests"] if TAG in held.tags else []
        return listed

    def types(self) -> list[str]:
        return [each["artifactType"] for each in self.entries()]

    def put_list(self, *entries: Mapping[str, Any]) -> Digest:
        """As another client does."""
        return self.registry.content.writable(APP).put_manifest(index_of(entries), OCI_INDEX, TAG).digest


@pytest.fixture
def switches() -> Switches:
    return Switches()


@pytest.fixture
async def bench(tmp_path: Path, switches: Switches) -> AsyncIterator[Bench]:
    known = Known()
    async with publisher_context(tmp_path / "w.db") as context, serve_registry(switches=switches) as registry:
        publisher = ReferrerPublisher(ReferrerPublisherSettings(), replace(context, judgements=known))
        yield Bench(registry, publisher, known)


async def test_an_artefact_that_is_not_listed_is_listed_again(bench: Bench) -> None:
    """With its type and a copy of its annotations, as its client did; hearing of it once more changes nothing."""
    await bench.attach_ours()
    artefact = attached(IMAGE, "application/x.signature", b"signed", annotations={"who": "somebody"})
    await bench.hear_of(artefact)
    (_, entry) = bench.entries()
    assert entry == {
        "mediaType": artefact.media_type,
        "digest": artefact.digest,
        "size": len(artefact.raw),
        "artifactType": "application/x.signature",
        "annotations": {"who": "somebody"},
    }
    before = bench.registry.content.existing(APP).tags[TAG]
    await bench.hear_of(artefact)
    assert bench.registry.content.existing(APP).tags[TAG] == before


async def test_our_own_entry_comes_back(bench: Bench) -> None:
    """By the event of the list that was written without it, or of what is listed there."""
    await bench.attach_ours()
    put_image(bench.registry, APP, SIGNATURE)
    theirs = {"mediaType": SIGNATURE.media_type, "digest": SIGNATURE.digest, "size": len(SIGNATURE.raw), "artifactType": "x"}
    for pushed, tags in ((bench.put_list(theirs), (TAG,)), (SIGNATURE.digest, ())):
        bench.put_list(theirs)
        assert bench.types() == ["x"]
        await bench.hear_of(pushed, *tags)
        assert bench.types() == ["x", VERDICT_TYPE]


async def test_nothing_is_written_beside_an_image_that_is_none_of_ours(bench: Bench) -> None:
    """One that was never judged, or whose verdict is attached by nobody."""
    bench.known.verdicts = {}
    await bench.hear_of(SIGNATURE)
    bench.known.verdicts = {IMAGE.digest: bench.verdict(IMAGE.digest, Outcome.NOT_APPLICABLE)}
    await bench.hear_of(SIGNATURE)
    assert TAG not in bench.registry.content.existing(APP).tags


async def test_what_is_gone_or_runs_is_listed_by_nobody(bench: Bench) -> None:
    """Who deleted it wanted that; and what says that it is attached to an image may be one."""
    await bench.attach_ours()
    digest = put_image(bench.registry, APP, SIGNATURE)
    del bench.registry.content.writable(APP).manifests[digest]
    await bench.hear_of(digest)
    await bench.hear_of(build_image([build_layer({"c": "d"})]))
    await bench.hear_of(build_index([IMAGE]))
    await bench.hear_of(attached(IMAGE, "application/x.large", b"", annotations={"long": "x" * 100_000}))
    assert bench.types() == [VERDICT_TYPE]


@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_a_registry_with_the_api_keeps_its_lists_itself(bench: Bench) -> None:
    await bench.attach_ours()
    await bench.hear_of(SIGNATURE)
    assert TAG not in bench.registry.content.existing(APP).tags


async def test_who_replaced_our_verdict_is_not_fought_with(bench: Bench) -> None:
    """Another watcher would do the same, and the two of them would never end."""
    await bench.attach_ours()
    theirs = attached(IMAGE, VERDICT_TYPE, b"{}")
    put_image(bench.registry, APP, theirs)
    entry = {"mediaType": theirs.media_type, "digest": theirs.digest, "size": len(theirs.raw), "artifactType": VERDICT_TYPE}
    await bench.hear_of(bench.put_list(entry), TAG)
    assert bench.entries() == [entry]
