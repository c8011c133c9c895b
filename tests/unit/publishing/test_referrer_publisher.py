import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.doubles.inventories import an_inventory
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import AuthenticationError, RegistryUnavailableError, RetryableError
from watcher.model.image import EMPTY_DIGEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from watcher.model.inventory import Inventory
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.model.sbom_types import OUR_MARK
from watcher.model.verdict import Outcome, Verdict
from watcher.model.verdict_json import VERDICT_TYPE
from watcher.publishing.protocol import OwnWrites, Sbom
from watcher.publishing.referrer import SBOM_TYPES, NotPermittedError, ReferrerPublisher
from watcher.publishing.referrer_attaching import ListOfReferrersError
from watcher.publishing.referrer_index import ListNotWritableError
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.registry.referrers import EMPTY_BLOB, build_artifact
from watcher.sbom.contents import Contents
from watcher.sbom.formats import FORMATS
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

pytestmark = pytest.mark.enable_socket

REPOSITORY = RepositoryName("team/app")
IMAGE = build_image([build_layer({"a": "b"})])


class Found:
    """`Sboms` of whatever was found in the image last."""

    def __init__(self) -> None:
        self.inventory: Inventory | None = an_inventory(digest=IMAGE.digest)

    async def written(self, digest: Digest, repository: str, written_as: str) -> Sbom | None:
        if self.inventory is None or digest != IMAGE.digest:
            return None
        content = FORMATS[written_as].write(Contents(inventory=self.inventory, repository=repository))
        return Sbom(media_type=FORMATS[written_as].media_type, content=content, facts_revision=self.inventory.facts_revision)


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

    def attached(self) -> list[dict[str, Any]]:
        """What the registry says is attached to the image: by its API, or by the fallback tag."""
        held = self.registry.content.existing(REPOSITORY)
        if fallback_tag(IMAGE.digest) in held.tags:
            return self.fallback()
        return [
            {"artifactType": each.body["artifactType"], "digest": each.digest, "annotations": each.body["annotations"]}
            for each in held.manifests.values()
            if each.subject == IMAGE.digest
        ]

    def sboms(self) -> list[dict[str, Any]]:
        return [each for each in self.attached() if each["artifactType"] in SBOM_TYPES]

    def attach_foreign(self, artifact_type: str, **annotations: str) -> dict[str, Any]:
        """What somebody else attached, and the fallback tag for it."""
        held = self.registry.content.writable(REPOSITORY)
        held.blobs[EMPTY_DIGEST] = EMPTY_BLOB
        image = Descriptor(media_type=IMAGE.media_type, digest=IMAGE.digest, size=len(IMAGE.raw))
        raw = build_artifact(image, artifact_type, [], annotations)
        put = held.put_manifest(raw, OCI_MANIFEST, digest_of(raw))
        entry = {"mediaType": OCI_MANIFEST, "digest": put.digest, "size": len(raw), "artifactType": artifact_type}
        return entry | ({"annotations": annotations} if annotations else {})

    def put_artefact(self, image: BuiltImage, artifact_type: str) -> dict[str, Any]:
        put_image(self.registry, REPOSITORY, image)
        return {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw), "artifactType": artifact_type}


@pytest.fixture
def switches() -> Switches:
    return Switches()


@pytest.fixture
def found() -> Found:
    return Found()


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


@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_a_list_beside_an_api_that_was_silent(bench: Bench) -> None:
    """Written while nothing but 5xx was known of it, it loses what the API replaces, and nothing of others.

    What may say otherwise is looked for once more, now that there is a list to be asked.
    """
    bench.registry.faults.add(Fault(path=".*/referrers/.*", status=502, times=99))
    with pytest.raises(RegistryUnavailableError):
        await bench.publisher.publish(bench.verdict(), Notes())
    await bench.publisher.publish(bench.verdict(), Notes())
    (old,) = bench.fallback()
    foreign = bench.attach_foreign("application/vnd.other")
    bench.put_fallback(foreign, old)
    bench.registry.faults.clear()
    await bench.publisher.publish(bench.verdict(outcome=Outcome.PASS, findings=()), Notes())
    assert bench.fallback() == [foreign]
    held = [each.body for each in bench.registry.content.existing(REPOSITORY).manifests.values()]
    ours = [each["annotations"] for each in held if each.get("artifactType") == VERDICT_TYPE]
    assert [each["io.registry-watcher.outcome"] for each in ours] == ["pass"]


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
    assert await bench.own_writes.claimed([bench.fallback_digest()]) == {bench.fallback_digest(): fallback_tag(IMAGE.digest)}


async def test_an_image_planted_in_the_index_is_not_covered_by_our_name(bench: Bench) -> None:
    """The index we write then starts work like anybody's, so a tag of this form hides nothing either."""
    planted = bench.put_artefact(build_image([build_layer({"evil": "x"})]), "application/vnd.example.signature")
    bench.put_fallback(planted)
    await bench.publisher.publish(bench.verdict(), Notes())
    assert planted in bench.fallback()
    assert not await bench.own_writes.claimed([bench.fallback_digest()])


async def test_a_list_of_referrers_gets_no_list_of_its_own(bench: Bench) -> None:
    """By what is in it, or by its tag; each verdict would otherwise make the next index to be judged."""
    planted = bench.put_artefact(build_image([build_layer({"evil": "x"})]), "")
    bench.put_fallback(planted)
    foreign, held = bench.fallback_digest(), bench.registry.content.existing(REPOSITORY)
    await bench.publisher.publish(bench.verdict(), Notes())
    for digest, tags in ((bench.fallback_digest(), ()), (foreign, (fallback_tag(IMAGE.digest),))):
        verdict = bench.verdict()
        verdict = replace(verdict, subject=replace(verdict.subject, digest=digest, tags=tags))
        with pytest.raises(ListOfReferrersError):
            await bench.publisher.publish(verdict, Notes())
        assert fallback_tag(digest) not in held.tags


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
    """Its one layer is the public JSON, but for who pushed: that is no business of all who may pull."""
    await bench.publisher.publish(bench.verdict(), Notes())
    (entry,) = bench.fallback()
    held = bench.registry.content.existing(REPOSITORY)
    manifest = held.manifests[Digest(entry["digest"])]
    (layer,) = manifest.body["layers"]
    content = held.blobs[layer["digest"]]
    assert digest_of(content) == layer["digest"]
    assert json.loads(content)["outcome"] == "fail"
    assert json.loads(content)["event"]["actor"] is None
    assert layer["mediaType"] == VERDICT_TYPE


async def test_an_image_that_we_refuse_to_read_has_a_verdict_all_the_same(bench: Bench) -> None:
    """Its manifest is named by type and size, which need no reading."""
    layer = build_layer({"a": "b"})
    endless = build_image([layer] * 600)
    put_image(bench.registry, REPOSITORY, endless, "endless")
    await bench.publisher.publish(bench.verdict(endless, outcome=Outcome.UNKNOWN, findings=()), Notes())
    held = bench.registry.content.existing(REPOSITORY)
    assert [each.subject for each in held.manifests.values() if each.subject] == [endless.digest]


SBOM_EVERYWHERE = pytest.mark.parametrize("switches", [Switches(), Switches(referrers_api=True)], ids=["fallback tag", "API"])


@pytest.fixture
async def both(tmp_path: Path, switches: Switches, found: Found) -> AsyncIterator[Bench]:
    """Verdict and SBOM are wanted."""
    async with publisher_context(tmp_path / "w.db", found) as context, serve_registry(switches=switches) as registry:
        yield Bench(registry, ReferrerPublisher(ReferrerPublisherSettings(sbom="cyclonedx"), context), context.own_writes)


@SBOM_EVERYWHERE
async def test_the_sbom_stands_beside_the_verdict(both: Bench) -> None:
    """By its own media type, one layer of that type with the document, and known as ours before it was put."""
    await both.publisher.publish(both.verdict(), Notes())
    assert sorted(each["artifactType"] for each in both.attached()) == sorted([VERDICT_TYPE, SBOM_TYPES[0]])
    (entry,) = both.sboms()
    held = both.registry.content.existing(REPOSITORY)
    (layer,) = held.manifests[Digest(entry["digest"])].body["layers"]
    assert layer["mediaType"] == SBOM_TYPES[0]
    document = json.loads(held.blobs[layer["digest"]])
    assert document["metadata"]["component"]["name"] == f"{both.registry.host}/{REPOSITORY}"
    assert [each["name"] for each in document["components"]] == ["debian", "libc6", "bash", "app"]
    assert await both.own_writes.claimed([Digest(entry["digest"])])


@SBOM_EVERYWHERE
async def test_the_same_sbom_is_not_put_again(both: Bench) -> None:
    """Judged again by the same facts, an image gets another verdict and keeps its SBOM."""
    await both.publisher.publish(both.verdict(), Notes())
    before, (sbom,) = {each["digest"] for each in both.attached()}, both.sboms()
    both.registry.requests.clear()
    await both.publisher.publish(both.verdict(outcome=Outcome.PASS, findings=()), Notes())
    assert {each["digest"] for each in both.attached()} & before == {sbom["digest"]}
    index_too = 0 if both.registry.switches.referrers_api else 1
    assert both.registry.requests["PUT manifests"] == 1 + index_too


@SBOM_EVERYWHERE
async def test_an_sbom_of_other_facts_takes_the_place_of_ours_alone(both: Bench, found: Found) -> None:
    """What somebody else attached by the same type stays."""
    foreign = both.attach_foreign(SBOM_TYPES[0], author="somebody")
    if not both.registry.switches.referrers_api:
        both.put_fallback(foreign)
    await both.publisher.publish(both.verdict(), Notes())
    (first,) = (each for each in both.sboms() if each["digest"] != foreign["digest"])
    found.inventory = an_inventory(digest=IMAGE.digest, packages=(), facts_revision="sha256:" + "5" * 64)
    await both.publisher.publish(both.verdict(), Notes())
    (second,) = (each for each in both.sboms() if each["digest"] != foreign["digest"])
    assert (first["digest"], foreign["digest"]) != (second["digest"], foreign["digest"])
    assert second["annotations"] == {OUR_MARK: "sha256:" + "5" * 64}
    assert foreign["digest"] in {each["digest"] for each in both.sboms()}
    manifests = both.registry.content.existing(REPOSITORY).manifests
    assert first["digest"] not in manifests
    assert foreign["digest"] in manifests


async def test_an_image_that_was_not_inspected_has_a_verdict_and_no_sbom(both: Bench, found: Found) -> None:
    """There is nothing that it could say, and the log says so."""
    found.inventory = None
    with capture_logs() as logs:
        await both.publisher.publish(both.verdict(), Notes())
    assert [each["artifactType"] for each in both.attached()] == [VERDICT_TYPE]
    assert [each["event"] for each in logs] == ["referrer.published", "sbom.absent"]


@SBOM_EVERYWHERE
async def test_what_failed_between_the_two_is_made_up_for(both: Bench) -> None:
    """The verdict is attached whatever becomes of the SBOM, and the next attempt ends with one of each."""
    by_digest = f"/v2/{REPOSITORY}/manifests/sha256:.*"
    both.registry.faults.add(Fault(method="PUT", path=by_digest))  # the verdict passes
    both.registry.faults.add(Fault(method="PUT", path=by_digest, status=503, times=99))
    with pytest.raises(RetryableError):
        await both.publisher.publish(both.verdict(), Notes())
    assert [each["artifactType"] for each in both.attached()] == [VERDICT_TYPE]
    both.registry.faults.clear()
    await both.publisher.publish(both.verdict(), Notes())
    assert sorted(each["artifactType"] for each in both.attached()) == sorted([VERDICT_TYPE, SBOM_TYPES[0]])


async def test_nothing_is_removed_that_an_index_only_calls_a_verdict(bench: Bench) -> None:
    """Whoever may push, but not delete, could have us delete an image by naming it so in the fallback index."""
    victim = bench.put_artefact(build_image([build_layer({"c": "d"})]), VERDICT_TYPE)
    bench.put_fallback(victim)
    await bench.publisher.publish(bench.verdict(), Notes())
    assert victim["digest"] in bench.registry.content.existing(REPOSITORY).manifests
    assert victim["digest"] not in {each["digest"] for each in bench.fallback()}


async def test_who_may_not_push_is_told_once_what_is_missing(bench: Bench) -> None:
    """The verdict stays in the store and is attached as soon as we may. Who may not even read is told nothing of pushing."""
    bench.registry.faults.add(Fault(method="POST", status=403, times=2))
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(NotPermittedError, match=f"permission to push to {bench.registry.host}/team/app"):
                await bench.publisher.publish(bench.verdict(), Notes())
    (line,) = (each for each in logs if each["event"] == "referrer.not-permitted")
    assert "permission to push" in line["detail"]
    await bench.publisher.publish(bench.verdict(), Notes())
    assert len(bench.fallback()) == 1
    bench.registry.faults.add(Fault(method="GET", path=".*/manifests/.*", status=403))
    with pytest.raises(AuthenticationError):
        await bench.publisher.publish(bench.verdict(), Notes())


@pytest.mark.parametrize("switches", [Switches(immutable_tags=True)])
async def test_a_list_under_a_tag_that_cannot_be_moved_is_said_to_be_one(bench: Bench) -> None:
    """The first verdict is listed. What follows cannot be, and the reason says what would help."""
    await bench.publisher.publish(bench.verdict(), Notes())
    with pytest.raises(ListNotWritableError, match="has to be exempt"):
        await bench.publisher.publish(bench.verdict(outcome=Outcome.PASS, findings=()), Notes())
