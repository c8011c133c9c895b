"""Whoever may push attaches what he likes: it keeps no failing verdict from being told, and no attestation from being removed."""

import json

import pytest

from tests.doubles.attaching import attached
from tests.doubles.attesting import BUNDLE, ENVELOPE, REPOSITORY
from tests.doubles.referrer_bench import EVERYWHERE, IMAGE, AttestingBench
from watcher.model.digest import digest_of
from watcher.model.image import OCI_MANIFEST
from watcher.model.verdict import Outcome
from watcher.publishing.attestation_tag import legacy_tag
from watcher.publishing.referrer import StandingError
from watcher.testing.faults import Fault
from watcher.testing.images import put_image
from watcher.testing.registry import Switches

pytestmark = pytest.mark.enable_socket

API = pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@EVERYWHERE
async def test_an_attached_blob_that_nests_deep(attesting: AttestingBench) -> None:
    """It is somebody's, and stays; ours is gone."""
    await attesting.publish()
    junk = attached(IMAGE, BUNDLE, DEEP)
    put_image(attesting.registry, REPOSITORY, junk)
    if not attesting.registry.switches.referrers_api:
        entry = {"mediaType": OCI_MANIFEST, "digest": junk.digest, "size": len(junk.raw), "artifactType": BUNDLE}
        attesting.put_fallback(*await attesting.stranger.referrers(IMAGE.digest), entry)
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]
    (left,) = await attesting.stranger.referrers(IMAGE.digest, BUNDLE)
    assert left["digest"] == junk.digest


@pytest.mark.parametrize("of_config", [False, True])
async def test_a_layer_or_configuration_that_nests_deep_under_the_tag(attesting: AttestingBench, of_config: bool) -> None:
    attesting.publisher = attesting.publishing(attestation_format="legacy")
    await attesting.publish()
    held, tag = attesting.registry.content.writable(REPOSITORY), legacy_tag(IMAGE.digest, "att")
    assert tag is not None
    digest = digest_of(DEEP)
    held.put_blob(DEEP, digest)
    body = dict(held.manifests[held.tags[tag]].body)
    layer = {"mediaType": ENVELOPE, "digest": digest, "size": len(DEEP)}
    changed = {"config": {**body["config"], **layer}} if of_config else {"layers": [*body["layers"], layer]}
    held.put_manifest(json.dumps(body | changed).encode(), OCI_MANIFEST, tag)
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]
    assert [each["digest"] for each in await attesting.stranger.att(IMAGE.digest)] == ([] if of_config else [digest])


async def test_too_many_bundles_keep_no_layer(attesting: AttestingBench) -> None:
    """What is under the tag is removed although nobody looks through the list, and what stands is said with what failed."""
    attesting.publisher = attesting.publishing(attestation_format="legacy")
    await attesting.publish()
    junk = [attached(IMAGE, BUNDLE, b"%d" % number) for number in range(101)]
    for each in junk:
        put_image(attesting.registry, REPOSITORY, each)
    attesting.put_fallback(*({"mediaType": OCI_MANIFEST, "size": len(each.raw), "digest": each.digest} for each in junk))
    with pytest.raises(StandingError, match=r"a Sigstore bundle, perhaps .too-many-referrers.*besides, too-many-referrers"):
        await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.att(IMAGE.digest) == []


@API
async def test_what_stands_is_said_although_the_verdict_cannot_be_attached(attesting: AttestingBench) -> None:
    """Of two reasons to look at the image neither hides the other."""
    await attesting.publish()
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    attesting.registry.faults.add(Fault(method="PUT", path=f"/v2/{REPOSITORY}/manifests/.*", status=400, times=99))
    with pytest.raises(StandingError, match=r"attached to it still: sha256:.*; besides, registry-refused: ") as failed:
        await attesting.publish(Outcome.FAIL)
    assert failed.value.reason == "not-removed"
