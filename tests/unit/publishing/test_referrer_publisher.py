import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import RegistryRefusedError
from watcher.model.image import OCI_INDEX
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.protocol import OwnWrites
from watcher.publishing.referrer import VERDICT_TYPE, ReferrerPublisher
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.registry.referrers import fallback_tag
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

pytestmark = pytest.mark.enable_socket

REPOSITORY = RepositoryName("team/app")
IMAGE = build_image([build_layer({"a": "b"})])


class Bench:
    def __init__(self, registry: MemoryRegistry, publisher: ReferrerPublisher, own_writes: OwnWrites) -> None:
        self.registry, self.publisher, self.own_writes = registry, publisher, own_writes
        put_image(registry, REPOSITORY, IMAGE, "v1")

    def verdict(self, image: BuiltImage = IMAGE, **changes: Any) -> Verdict:
        verdict = a_verdict(**changes)
        subject = replace(verdict.subject, registry=self.registry.host, repository=REPOSITORY, digest=image.digest)
        return replace(verdict, subject=subject)

    def fallback(self) -> list[dict[str, Any]]:
        held = self.registry.content.existing(REPOSITORY)
        index: list[dict[str, Any]] = json.loads(held.manifest(fallback_tag(IMAGE.digest)).raw)["manifests"]
        return index

    def fallback_digest(self) -> Digest:
        return self.registry.content.existing(REPOSITORY).tags[fallback_tag(IMAGE.digest)]

    def put_fallback(self, *entries: dict[str, Any]) -> None:
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}).encode()
        self.registry.content.writable(REPOSITORY).put_manifest(raw, OCI_INDEX, fallback_tag(IMAGE.digest))

    def put_artefact(self, image: BuiltImage, artifact_type: str) -> dict[str, Any]:
        put_image(self.registry, REPOSITORY, image)
        return {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw), "artifactType": artifact_type}


@pytest.fixture
def switches() -> Switches:
    return Switches()


@pytest.fixture
async def bench(tmp_path: Path, switches: Switches) -> AsyncIterator[Bench]:
    async with publisher_context(tmp_path / "w.db") as context, serve_registry(switches=switches) as registry:
        yield Bench(registry, ReferrerPublisher(ReferrerPublisherSettings(), context), context.own_writes)


async def test_publishing_twice_changes_nothing(bench: Bench) -> None:
    """A repeated publication is the same bytes, the same digest, the same index."""
    await bench.publisher.publish(bench.verdict(), Notes())
    before = bench.fallback_digest()
    await bench.publisher.publish(bench.verdict(), Notes())
    assert bench.fallback_digest() == before
    (entry,) = bench.fallback()
    assert entry["artifactType"] == VERDICT_TYPE
    assert entry["annotations"]["io.registry-watcher.outcome"] == "fail"


async def test_everything_is_recorded_before_it_is_put(bench: Bench) -> None:
    """The artefact and the index are both known as ours."""
    await bench.publisher.publish(bench.verdict(), Notes())
    (entry,) = bench.fallback()
    ours = await bench.own_writes.claimed([Digest(entry["digest"]), bench.fallback_digest()])
    assert set(ours) == {entry["digest"], bench.fallback_digest()}


async def test_a_new_verdict_takes_the_place_of_the_old(bench: Bench) -> None:
    """One per image, and the old artefact is gone where the registry deletes."""
    await bench.publisher.publish(bench.verdict(), Notes())
    (old,) = bench.fallback()
    await bench.publisher.publish(bench.verdict(outcome=Outcome.PASS, findings=()), Notes())
    (new,) = bench.fallback()
    assert new["annotations"]["io.registry-watcher.outcome"] == "pass"
    assert old["digest"] not in bench.registry.content.existing(REPOSITORY).manifests


async def test_a_registry_that_does_not_delete_keeps_what_nothing_lists(bench: Bench) -> None:
    """Cleaning up is best effort, and what was not done is not said to be."""
    await bench.publisher.publish(bench.verdict(), Notes())
    bench.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    with capture_logs() as logs:
        await bench.publisher.publish(bench.verdict(outcome=Outcome.PASS, findings=()), Notes())
    assert len(bench.fallback()) == 1
    (line,) = (each for each in logs if each["event"] == "referrer.published")
    assert (line["removed"], line["kept"]) == (0, 1)


async def test_what_was_replaced_is_removed_by_the_next_attempt(bench: Bench) -> None:
    """Ended between the new index and the removal, nothing in the registry names the old artefact any more: the note does."""
    await bench.publisher.publish(bench.verdict(), Notes())
    (old,) = bench.fallback()
    notes, newer = Notes(), bench.verdict(outcome=Outcome.PASS, findings=())
    bench.registry.faults.add(Fault(method="DELETE", status=503, times=99))
    await bench.publisher.publish(newer, notes)
    assert notes.noted == old["digest"]
    assert old["digest"] in bench.registry.content.existing(REPOSITORY).manifests
    bench.registry.faults.clear()
    await bench.publisher.publish(newer, Notes(notes.noted))
    assert old["digest"] not in bench.registry.content.existing(REPOSITORY).manifests
    assert len(bench.fallback()) == 1


async def test_entries_of_others_survive(bench: Bench) -> None:
    """A signature in the index is still there, and an index that cannot be run is ours to ignore."""
    signature = build_image(config={})
    raw = signature.raw.replace(b"application/vnd.oci.image.config.v1+json", b"application/vnd.example.signature")
    foreign = bench.put_artefact(replace(signature, raw=raw), "application/vnd.example.signature")
    bench.put_fallback(foreign)
    await bench.publisher.publish(bench.verdict(), Notes())
    assert foreign in bench.fallback()
    assert len(bench.fallback()) == 2
    assert await bench.own_writes.claimed([bench.fallback_digest()])


async def test_an_image_planted_in_the_index_is_not_covered_by_our_name(bench: Bench) -> None:
    """The index we write then starts work like anybody's, so tagging it as an application hides nothing."""
    planted = bench.put_artefact(build_image([build_layer({"evil": "x"})]), "application/vnd.example.signature")
    bench.put_fallback(planted)
    await bench.publisher.publish(bench.verdict(), Notes())
    assert planted in bench.fallback()
    assert not await bench.own_writes.claimed([bench.fallback_digest()])


async def test_an_index_of_ours_that_can_run_gets_no_other(bench: Bench) -> None:
    """Where a registry has one image under every fallback tag, each verdict would otherwise make the next image to be judged."""
    planted = bench.put_artefact(build_image([build_layer({"evil": "x"})]), "")
    bench.put_fallback(planted)
    await bench.publisher.publish(bench.verdict(), Notes())
    ours, held = bench.fallback_digest(), bench.registry.content.existing(REPOSITORY)
    held.tags[fallback_tag(ours)] = standing = held.put_manifest(
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [planted]}).encode(), OCI_INDEX, fallback_tag(ours)
    ).digest
    verdict = bench.verdict()
    verdict = replace(verdict, subject=replace(verdict.subject, digest=ours))
    with pytest.raises(RegistryRefusedError, match="each verdict would make another"):
        await bench.publisher.publish(verdict, Notes())
    assert held.tags[fallback_tag(ours)] == standing


async def test_twelve_at_once_leave_one_entry_each_image_and_one_per_verdict(bench: Bench) -> None:
    """Verdicts of one image wait for each other; the last one stands alone."""
    await asyncio.gather(*(bench.publisher.publish(bench.verdict(id=f"v-{number}"), Notes()) for number in range(12)))
    assert len(bench.fallback()) == 1


@pytest.mark.parametrize("switches", [Switches(referrers_api=True), Switches(referrers_api=True, oci_subject=True)])
async def test_a_registry_with_the_api_gets_no_fallback_tag(bench: Bench) -> None:
    """Reading back decides, whatever the headers say; an older verdict is removed."""
    await bench.publisher.publish(bench.verdict(), Notes())
    await bench.publisher.publish(bench.verdict(outcome=Outcome.PASS, findings=()), Notes())
    held = bench.registry.content.existing(REPOSITORY)
    assert fallback_tag(IMAGE.digest) not in held.tags
    verdicts = [each for each in held.manifests.values() if each.subject == IMAGE.digest]
    assert [each.body["annotations"]["io.registry-watcher.outcome"] for each in verdicts] == ["pass"]


async def test_the_artefact_holds_the_verdict(bench: Bench) -> None:
    """Its one layer is the public JSON."""
    await bench.publisher.publish(bench.verdict(), Notes())
    (entry,) = bench.fallback()
    held = bench.registry.content.existing(REPOSITORY)
    manifest = held.manifests[Digest(entry["digest"])]
    (layer,) = manifest.body["layers"]
    content = held.blobs[layer["digest"]]
    assert digest_of(content) == layer["digest"]
    assert json.loads(content)["outcome"] == "fail"
    assert layer["mediaType"] == VERDICT_TYPE


async def test_an_image_that_we_refuse_to_read_has_a_verdict_all_the_same(bench: Bench) -> None:
    """Its manifest is named by type and size, which need no reading."""
    layer = build_layer({"a": "b"})
    endless = build_image([layer] * 600)
    put_image(bench.registry, REPOSITORY, endless, "endless")
    await bench.publisher.publish(bench.verdict(endless, outcome=Outcome.UNKNOWN, findings=()), Notes())
    held = bench.registry.content.existing(REPOSITORY)
    assert [each.subject for each in held.manifests.values() if each.subject] == [endless.digest]
