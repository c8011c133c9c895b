"""What is attested of an image, in which form, and what becomes of it."""

import json
from base64 import b64decode
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from tests.doubles.attesting import BUNDLE, ENVELOPE, REPOSITORY, VSA
from tests.doubles.keys import openssl_verifies
from tests.doubles.publishing import Notes
from tests.doubles.referrer_bench import ARM, EVERYWHERE, FORMS, IMAGE, INDEX, AttestingBench
from watcher.model.digest import Digest
from watcher.model.errors import RegistryRefusedError
from watcher.model.image import EMPTY_DIGEST, OCI_CONFIG
from watcher.model.verdict import Outcome
from watcher.publishing.signing_key import public_key
from watcher.registry.access import RegistryClients
from watcher.registry.settings import RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import Switches

pytestmark = pytest.mark.enable_socket


async def test_a_pass_is_attested_by_a_summary(attesting: AttestingBench) -> None:
    """SLSA's, about the image, by us, at the time of the verdict; no level of SLSA is claimed."""
    await attesting.publish()
    said = await attesting.stranger.statement(IMAGE.digest)
    place = f"{attesting.registry.host}/team/app"
    assert said == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": place, "digest": {"sha256": IMAGE.digest.removeprefix("sha256:")}}],
        "predicateType": VSA,
        "predicate": {
            "verifier": {"id": "urn:registry-watcher", "version": {"registry-watcher": "0.1.0"}},
            "timeVerified": "2026-11-25T10:00:00Z",
            "resourceUri": place,
            "policy": {"uri": "urn:registry-watcher:policies:baseline@1.0.0", "digest": {"sha256": "3" * 64}},
            "verificationResult": "PASSED",
            "verifiedLevels": ["REGISTRY_WATCHER_PASS"],
        },
    }


@EVERYWHERE
async def test_the_bundle_is_what_cosign_looks_for(attesting: AttestingBench) -> None:
    """Its type, its annotations, `{}` for a configuration, one layer, and the hint of the key; openssl verifies the signature."""
    await attesting.publish()
    (entry,) = await attesting.stranger.referrers(IMAGE.digest, BUNDLE)
    manifest = await attesting.stranger.manifest(entry["digest"])
    assert manifest is not None
    assert (manifest["artifactType"], manifest["config"]["digest"]) == (BUNDLE, EMPTY_DIGEST)
    assert [layer["mediaType"] for layer in manifest["layers"]] == [BUNDLE]
    assert manifest["annotations"] == {
        "org.opencontainers.image.created": "2026-11-25T10:00:00Z",
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": VSA,
        "io.registry-watcher.attestation": "v-1",
    }
    (bundle,) = await attesting.stranger.bundles(IMAGE.digest)
    assert bundle["mediaType"] == BUNDLE
    assert bundle["verificationMaterial"] == {"publicKey": {"hint": public_key(attesting.pair.public).hint}}
    envelope = bundle["dsseEnvelope"]
    payload = b64decode(envelope["payload"])
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    assert openssl_verifies(attesting.pair.public, message, b64decode(envelope["signatures"][0]["sig"]))


async def test_an_index_is_attested_with_every_platform(attesting: AttestingBench) -> None:
    """The index first, whoever asks by the digest of a platform finds it in the list as well."""
    await attesting.publish(image=INDEX)
    said = await attesting.stranger.statement(INDEX.digest)
    assert [f"sha256:{each['digest']['sha256']}" for each in said["subject"]] == [INDEX.digest, IMAGE.digest, ARM.digest]


async def test_a_warning_is_attested_where_that_is_wanted(attesting: AttestingBench) -> None:
    """It blocks nothing, so it has passed; its level tells it from a pass."""
    await attesting.publish(Outcome.WARN)
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)
    await attesting.publishing(attest=("pass", "warn")).publish(attesting.verdict(Outcome.WARN), Notes())
    predicate = (await attesting.stranger.statement(IMAGE.digest))["predicate"]
    assert (predicate["verificationResult"], predicate["verifiedLevels"]) == ("PASSED", ["REGISTRY_WATCHER_WARN"])


async def test_what_is_signed_in_the_old_form_is_attested_in_that(attesting: AttestingBench) -> None:
    """One bundle, and cosign would look at no signature under a tag any more."""
    await attesting.stranger.sign_legacy(IMAGE, "sig", {"a": 1})
    await attesting.publish()
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 1)
    manifest = await attesting.stranger.manifest(f"{IMAGE.digest.replace(':', '-')}.att")
    assert manifest is not None
    assert manifest["config"]["mediaType"] == OCI_CONFIG
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == ENVELOPE
    assert layer["annotations"] == {
        "dev.cosignproject.cosign/signature": "",
        "predicateType": VSA,
        "io.registry-watcher.attestation": "v-1",
    }
    config = json.loads(await attesting.stranger.blob(manifest["config"]["digest"]))
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    assert (await attesting.stranger.statement(IMAGE.digest))["subject"][0]["digest"]["sha256"] in IMAGE.digest


@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_where_no_bundle_could_be_taken_back_there_is_none(attesting: AttestingBench) -> None:
    """Docker Hub lists what it does not delete."""
    async with RegistryClients.of([RegistrySettings(host=attesting.registry.host, kind="dockerhub")]) as registries:
        attesting.context = replace(attesting.context, registries=registries)
        attesting.publisher = attesting.publishing()
        await attesting.publish()
        assert await attesting.stranger.counts(IMAGE.digest) == (0, 1)
        attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
        await attesting.publish(Outcome.FAIL)
        assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)


async def test_what_is_attested_need_not_have_a_verdict_attached(attesting: AttestingBench) -> None:
    """Enforcers ask for attestations, people for what failed."""
    attesting.publisher = attesting.publishing(outcomes=(Outcome.FAIL,))
    await attesting.publish()
    assert (await attesting.stranger.counts(IMAGE.digest), await attesting.stranger.outcomes(IMAGE.digest)) == ((1, 0), [])
    await attesting.publish(Outcome.FAIL)
    assert (await attesting.stranger.counts(IMAGE.digest), await attesting.stranger.outcomes(IMAGE.digest)) == ((0, 0), ["fail"])


@pytest.mark.parametrize("switches", [Switches(immutable_tags=True, referrers_api=True)])
async def test_what_cannot_be_attested_keeps_nothing_else_back(attesting: AttestingBench) -> None:
    """The tag of attestations is taken, and immutable: the verdict is attached, and the failure is said."""
    await attesting.stranger.sign_legacy(IMAGE, "att", {"a": 1})
    with pytest.raises(RegistryRefusedError):
        await attesting.publish()
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["pass"]
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 1)


@EVERYWHERE
async def test_a_bundle_of_others_decides_for_bundles(attesting: AttestingBench) -> None:
    """Whatever else is there: signatures under tags are not looked at any more."""
    await attesting.stranger.sign_legacy(IMAGE, "sig", {"a": 1})
    await attesting.stranger.attach_bundle(IMAGE, {"mediaType": BUNDLE}, {})
    await attesting.publish()
    assert await attesting.stranger.counts(IMAGE.digest) == (2, 0)


@EVERYWHERE
async def test_what_others_do_later_changes_the_form(attesting: AttestingBench) -> None:
    """Our own decides nothing, and there is one of it: first nobody signs, then in the old form, then by a bundle."""
    await attesting.publish(id="v-1")
    assert await attesting.stranger.counts(IMAGE.digest) == (1, 0)
    await attesting.stranger.sign_legacy(IMAGE, "sig", {"a": 1})
    await attesting.publish(id="v-2")
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 1)
    await attesting.publish(id="v-3")
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 1)
    await attesting.stranger.attach_bundle(IMAGE, {"mediaType": BUNDLE}, {})
    await attesting.publish(id="v-4")
    assert await attesting.stranger.counts(IMAGE.digest) == (2, 0)


@EVERYWHERE
@FORMS
async def test_there_is_one_attestation_however_often_the_image_is_judged(attesting: AttestingBench, form: str) -> None:
    """A repeated publication is the same bytes; another verdict takes the place of the last."""
    attesting.publisher = attesting.publishing(attestation_format=form)
    await attesting.publish(id="v-1")
    before = await attesting.stranger.referrers(IMAGE.digest), await attesting.stranger.att(IMAGE.digest)
    attesting.registry.requests.clear()
    await attesting.publish(id="v-1")
    assert (await attesting.stranger.referrers(IMAGE.digest), await attesting.stranger.att(IMAGE.digest)) == before
    for number in range(3):
        await attesting.publish(id=f"v-{number + 2}")
    assert await attesting.stranger.counts(IMAGE.digest) == ((1, 0) if form == "bundle" else (0, 1))


async def test_everything_is_claimed_before_it_is_put(attesting: AttestingBench) -> None:
    """Artefact, list, the image of attestations: none of their events starts work."""
    for form in ("bundle", "legacy"):
        attesting.publisher = attesting.publishing(attestation_format=form)
        await attesting.publish()
        await attesting.publish(Outcome.FAIL)
        await attesting.publish()
    held = attesting.registry.content.existing(REPOSITORY)
    written = {digest for digest in held.manifests if digest not in {IMAGE.digest, ARM.digest, INDEX.digest}}
    assert len(written) >= 3
    assert {*await attesting.context.own_writes.claimed(written)} == written


async def test_attestations_of_others_stay_as_they_are(attesting: AttestingBench) -> None:
    """Byte for byte, in their order, with their diff ids, whatever is written beside them and taken away."""
    await attesting.stranger.sign_legacy(IMAGE, "att", {"foreign": 1}, {"foreign": 2})
    foreign = await attesting.stranger.att(IMAGE.digest)
    await attesting.publish(id="v-1")
    await attesting.publish(id="v-2")
    layers = await attesting.stranger.att(IMAGE.digest)
    assert (layers[:2], len(layers)) == (foreign, 3)
    manifest = await attesting.stranger.manifest(f"{IMAGE.digest.replace(':', '-')}.att")
    assert manifest is not None
    config = json.loads(await attesting.stranger.blob(manifest["config"]["digest"]))
    assert config["rootfs"]["diff_ids"] == [each["digest"] for each in layers]
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.att(IMAGE.digest) == foreign


async def test_a_layer_that_could_run_is_not_covered_by_our_name(attesting: AttestingBench) -> None:
    """Somebody plants a file system among the attestations: what we write is judged like anybody's image."""
    planted = build_layer({"evil": "x"})
    tag = f"{IMAGE.digest.replace(':', '-')}.att"
    put_image(attesting.registry, REPOSITORY, build_image([planted]), tag)
    await attesting.publish()
    written = attesting.registry.content.existing(REPOSITORY).manifest(tag).digest
    assert len(await attesting.stranger.att(IMAGE.digest)) == 2
    assert not await attesting.context.own_writes.claimed([Digest(written)])


async def test_the_key_shows_in_no_log(attesting: AttestingBench) -> None:
    with capture_logs() as logs:
        await attesting.publish()
        await attesting.publish(Outcome.FAIL)
    secret = "".join(attesting.pair.private.read_text().splitlines()[1:-1])
    assert secret[:20] not in repr(logs)
    assert {each["event"] for each in logs} == {"referrer.published", "attestation.published"}
