"""What attested an image is gone before anything else is said of it, and where it cannot be, that is loud."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.doubles.attesting import BUNDLE, ENVELOPE, REPOSITORY, Stranger
from tests.doubles.keys import p256
from tests.doubles.publishing import Notes
from tests.doubles.referrer_bench import ARM, EVERYWHERE, FORMS, IMAGE, INDEX, AttestingBench
from watcher.model.errors import RetryableError
from watcher.model.image import OCI_INDEX
from watcher.model.verdict import Outcome
from watcher.publishing.attestation_listed import TooManyListedError
from watcher.publishing.dsse import signed
from watcher.publishing.referrer import StandingError
from watcher.publishing.signing_key import signing_key
from watcher.publishing.statement import PAYLOAD_TYPE, summary_bytes
from watcher.testing.content import StoredManifest
from watcher.testing.faults import Fault
from watcher.testing.registry import Switches

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]

OTHERWISE = pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.NOT_APPLICABLE])


async def gone(stranger: Stranger, digest: str = IMAGE.digest) -> bool:
    return await stranger.counts(digest) == (0, 0)


def unattached(manifest: StoredManifest) -> list[dict[str, Any]]:
    """The layers of what is attached to nothing, as the image of attestations is not."""
    return [] if manifest.subject or manifest.media_type == OCI_INDEX else manifest.body["layers"]


@EVERYWHERE
@FORMS
@OTHERWISE
async def test_an_image_that_does_not_pass_any_more_is_attested_by_nothing(
    attesting: AttestingBench, form: str, outcome: Outcome
) -> None:
    """No bundle and no layer is left, whatever the form, and their manifests are gone."""
    attesting.publisher = attesting.publishing(attestation_format=form)
    await attesting.publish()
    assert sum(await attesting.stranger.counts(IMAGE.digest)) == 1
    await attesting.publish(outcome)
    assert await gone(attesting.stranger)
    held = attesting.registry.content.existing(REPOSITORY)
    assert not [each for each in held.manifests.values() if each.body.get("artifactType") == BUNDLE]
    assert not [each for each in held.manifests.values() if any(layer["mediaType"] == ENVELOPE for layer in unattached(each))]
    await attesting.publish()
    assert sum(await attesting.stranger.counts(IMAGE.digest)) == 1


@EVERYWHERE
async def test_an_index_is_attested_as_long_as_all_of_it_passes(attesting: AttestingBench) -> None:
    """Its verdict is the worst of its platforms; each of them has its own besides."""
    await attesting.publish(image=INDEX)
    await attesting.publish(image=ARM)
    await attesting.publish(Outcome.FAIL, INDEX)
    assert await gone(attesting.stranger, INDEX.digest)
    assert sum(await attesting.stranger.counts(ARM.digest)) == 1


@EVERYWHERE
async def test_both_forms_go_whichever_is_configured_now(attesting: AttestingBench) -> None:
    """What was left when the form changed, by a daemon that was ended then, is found all the same."""
    for form in ("bundle", "legacy"):
        attesting.registry.faults.add(Fault(method="DELETE", status=503, times=99))
        with pytest.raises(RetryableError):
            await attesting.publishing(attestation_format=form).publish(attesting.verdict(), Notes())
            await attesting.publishing(attestation_format="legacy").publish(attesting.verdict(), Notes())
        attesting.registry.faults.clear()
    await attesting.publish(Outcome.FAIL)
    assert await gone(attesting.stranger)


@EVERYWHERE
@FORMS
async def test_whatever_key_it_was_signed_with(attesting: AttestingBench, form: str) -> None:
    """After a change of keys, and without any key."""
    newer = p256(attesting.pair.private.parent, "newer")
    await attesting.publishing(attestation_format=form).publish(attesting.verdict(), Notes())
    await attesting.publishing(newer, attestation_format=form).publish(attesting.verdict(id="v-2"), Notes())
    assert sum(await attesting.stranger.counts(IMAGE.digest)) == 1
    await attesting.publishing(sign_with=None, attest=()).publish(attesting.verdict(Outcome.FAIL), Notes())
    assert await gone(attesting.stranger)


@EVERYWHERE
async def test_what_others_attest_stays(attesting: AttestingBench) -> None:
    """Bundles and layers that are not ours."""
    bundle = await attesting.stranger.attach_bundle(IMAGE, {"mediaType": BUNDLE}, {"author": "somebody"})
    await attesting.stranger.sign_legacy(IMAGE, "att", {"foreign": 1})
    await attesting.publish()
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.counts(IMAGE.digest) == (1, 1)
    assert bundle in {each["digest"] for each in await attesting.stranger.referrers(IMAGE.digest, BUNDLE)}


@EVERYWHERE
async def test_what_we_signed_is_ours_without_our_mark(attesting: AttestingBench) -> None:
    """Who may push could leave the mark out to keep what would be removed; he cannot sign anything else."""
    key = signing_key(attesting.pair.reference)
    envelope = signed(summary_bytes(attesting.verdict(), [IMAGE.digest], "urn:registry-watcher"), PAYLOAD_TYPE, key)
    copied: dict[str, Any] = {"mediaType": BUNDLE, "dsseEnvelope": msgspec.json.decode(envelope)}
    await attesting.stranger.attach_bundle(IMAGE, copied, {})
    await attesting.stranger.sign_legacy(IMAGE, "att", msgspec.json.decode(envelope))
    await attesting.publish(Outcome.FAIL)
    assert await gone(attesting.stranger)


@EVERYWHERE
async def test_what_somebody_signs_with_the_same_key_about_something_else_stays(attesting: AttestingBench) -> None:
    """Only summaries are ours."""
    envelope = signed(b'{"_type": "https://in-toto.io/Statement/v1"}', PAYLOAD_TYPE, signing_key(attesting.pair.reference))
    await attesting.stranger.attach_bundle(IMAGE, {"mediaType": BUNDLE, "dsseEnvelope": msgspec.json.decode(envelope)}, {})
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.counts(IMAGE.digest) == (1, 0)


@EVERYWHERE
async def test_nothing_is_removed_that_a_list_only_calls_ours(attesting: AttestingBench) -> None:
    """Whoever may push, but not delete, could have us delete an image by naming it so."""
    marked = {"io.registry-watcher.attestation": "v"}
    attesting.put_fallback({"digest": ARM.digest, "artifactType": BUNDLE, "annotations": marked, "mediaType": "", "size": 1})
    await attesting.publish(Outcome.FAIL)
    assert ARM.digest in attesting.registry.content.existing(REPOSITORY).manifests


@pytest.mark.parametrize("status", [401, 403, 405])
@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_a_pass_that_stays_attested_is_a_failure(attesting: AttestingBench, status: int) -> None:
    """The registry lists whatever it does not delete: everybody takes the image for good. The verdict is attached."""
    await attesting.publish()
    attesting.registry.faults.add(Fault(method="DELETE", status=status, times=99))
    with capture_logs() as logs, pytest.raises(StandingError, match="permission to delete in the repository") as failed:
        await attesting.publish(Outcome.FAIL)
    assert (failed.value.reason, IMAGE.digest in str(failed.value)) == ("not-removed", True)
    assert "fail" in await attesting.stranger.outcomes(IMAGE.digest)
    assert [each["log_level"] for each in logs if each["event"] == "attestation.not-removed"] == ["warning"]
    attesting.registry.faults.clear()
    await attesting.publish(Outcome.FAIL)
    assert await gone(attesting.stranger)


@FORMS
async def test_without_deleting_it_leaves_the_list_and_the_tag(attesting: AttestingBench, form: str) -> None:
    """Nobody who asks finds it, and the log says once for a repository what is missing."""
    attesting.publisher = attesting.publishing(attestation_format=form)
    await attesting.publish()
    await attesting.publish(image=ARM)
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    with capture_logs() as logs:
        await attesting.publish(Outcome.FAIL)
        await attesting.publish(Outcome.FAIL, ARM)
    assert await gone(attesting.stranger)
    assert await gone(attesting.stranger, ARM.digest)
    (line,) = (each for each in logs if each["event"] == "attestation.not-removed")
    assert "permission to delete" in line["detail"]


@pytest.mark.parametrize("switches", [Switches(immutable_tags=True, referrers_api=True)])
async def test_a_tag_that_cannot_be_moved_is_a_failure_too(attesting: AttestingBench) -> None:
    """Others attested the image first; what we would add cannot be written, and what we added could not be taken away."""
    await attesting.stranger.sign_legacy(IMAGE, "sig", {"a": 1})
    await attesting.publish()
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 1)
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    with pytest.raises(StandingError, match=r"under sha256-.*\.att"):
        await attesting.publish(Outcome.FAIL)
    assert "fail" in await attesting.stranger.outcomes(IMAGE.digest)


@EVERYWHERE
async def test_the_old_attestation_goes_before_the_new_verdict_comes(attesting: AttestingBench) -> None:
    """Ended in between, the image has no verdict rather than one that says what is not so."""
    await attesting.publish()
    attesting.registry.faults.add(Fault(method="PUT", path=f"/v2/{REPOSITORY}/manifests/sha256:.*", status=503, times=99))
    with pytest.raises(RetryableError):
        await attesting.publish(Outcome.FAIL)
    assert await gone(attesting.stranger)
    attesting.registry.faults.clear()
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]


@EVERYWHERE
async def test_a_verdict_that_nobody_asked_for_takes_the_last_one_away(attesting: AttestingBench) -> None:
    """With `outcomes: [pass]` an image that fails has none, and no attestation."""
    attesting.publisher = attesting.publishing(outcomes=(Outcome.PASS,))
    await attesting.publish()
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["pass"]
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.outcomes(IMAGE.digest) == []
    assert await gone(attesting.stranger)


async def test_more_layers_than_anybody_reads_are_a_failure(attesting: AttestingBench) -> None:
    """One that we signed may be behind them, put there to be overlooked; ours that bear our mark are gone all the same."""
    await attesting.publishing(attestation_format="legacy").publish(attesting.verdict(), Notes())
    (ours,) = await attesting.stranger.att(IMAGE.digest)
    envelope = msgspec.json.decode(await attesting.stranger.blob(ours["digest"]))
    await attesting.publish(Outcome.FAIL)
    await attesting.stranger.sign_legacy(IMAGE, "att", *({"foreign": number} for number in range(101)), {**envelope, "a": 1})
    with pytest.raises(StandingError, match="too-many-referrers"):
        await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]


async def test_of_what_was_never_attested_nothing_is_written(attesting: AttestingBench) -> None:
    """A signature that was pushed is looked at, and that is all."""
    await attesting.publish(Outcome.NOT_APPLICABLE)
    assert not [kind for kind in attesting.registry.requests if kind.split()[0] in {"PUT", "POST", "DELETE"}]


@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_bundles_do_not_pile_up(attesting: AttestingBench) -> None:
    """Above fifty Kyverno verifies nothing of the image any more, and ours are not worth that."""
    for number in range(39):
        await attesting.stranger.attach_bundle(IMAGE, {"payload": b64encode(b"%d" % number).decode()}, {})
    await attesting.publish(id="v-1")
    assert await attesting.stranger.counts(IMAGE.digest) == (40, 0)
    await attesting.publish(id="v-2")
    assert await attesting.stranger.counts(IMAGE.digest) == (40, 0)
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    with pytest.raises(TooManyListedError, match="permission to delete"):
        await attesting.publish(id="v-3")
    assert await attesting.stranger.counts(IMAGE.digest) == (40, 0)
