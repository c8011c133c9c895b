"""A signature of an image that does not pass any more is gone before anything else is said of it; those of others stay."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.attesting import REPOSITORY
from tests.doubles.notaries import Chain, a_chain
from tests.doubles.publishing import Notes
from tests.doubles.referrer_bench import ARM, EVERYWHERE, IMAGE, AttestingBench
from watcher.model.digest import digest_of
from watcher.model.errors import RetryableError, WatcherError
from watcher.model.image import OCI_MANIFEST, Descriptor
from watcher.model.verdict import Outcome
from watcher.publishing.attestation import NotRemovableError
from watcher.publishing.attestation_listed import TooManyListedError
from watcher.publishing.notation_envelope import signature_bytes
from watcher.publishing.notation_settings import NotationSettings
from watcher.publishing.referrer import ReferrerPublisher, StandingError
from watcher.registry.access import RegistryClients
from watcher.registry.referrers import EMPTY_BLOB, build_artifact, index_of, listed_descriptor
from watcher.registry.settings import RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.registry import Switches

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]

SIGNATURE = "application/vnd.cncf.notary.signature"
OTHERWISE = pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.NOT_APPLICABLE])
MOST_WRITES = 40


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return a_chain(tmp_path)


def signing(bench: AttestingBench, chain: Chain, **changes: Any) -> ReferrerPublisher:
    """Attests and signs."""
    return bench.publishing(**{"notation": chain.settings, **changes})


async def counts(bench: AttestingBench, digest: str = IMAGE.digest) -> tuple[int, int]:
    """Of signatures, and of attestations."""
    return len(await bench.stranger.referrers(digest, SIGNATURE)), sum(await bench.stranger.counts(digest))


async def attach(bench: AttestingBench, envelope: bytes, *, artifact_type: bool = False, **annotations: str) -> str:
    """By a stranger, in either form of the manifest; its digest."""
    layer = Descriptor(media_type="application/jose+json", digest=digest_of(envelope), size=len(envelope))
    subject = Descriptor(media_type=IMAGE.media_type, digest=IMAGE.digest, size=len(IMAGE.raw))
    manifest = build_artifact(subject, SIGNATURE, [layer], annotations, by_config=not artifact_type)
    digest = digest_of(manifest)
    async with RegistryClients.of([]) as registries:
        access = registries.access(bench.registry.host)
        for blob in (EMPTY_BLOB, envelope):
            await access.uploads.put_blob(REPOSITORY, blob)
        await access.uploads.put_manifest(REPOSITORY, digest, manifest, OCI_MANIFEST)
        if not await access.referrers.listed(REPOSITORY, IMAGE.digest, digest):
            seen = await access.referrers.read_fallback(REPOSITORY, IMAGE.digest)
            merged = index_of([*seen.entries, listed_descriptor(manifest, digest)])
            await access.referrers.put_fallback(REPOSITORY, IMAGE.digest, merged, seen=seen)
    return digest


def signed_by(chain: Chain, bench: AttestingBench) -> bytes:
    target = Descriptor(media_type=IMAGE.media_type, digest=IMAGE.digest, size=len(IMAGE.raw))
    certificates = [each.certificate for each in chain.issued]
    return signature_bytes(target, chain.issued[0].key, certificates, moment=bench.verdict().evaluated_at, agent="notation/1")


@EVERYWHERE
@OTHERWISE
async def test_an_image_that_does_not_pass_any_more_is_not_signed(
    attesting: AttestingBench, chain: Chain, outcome: Outcome
) -> None:
    """Neither listed nor there by its digest, and the attestation with it; passing again brings both back."""
    publisher = signing(attesting, chain)
    await publisher.publish(attesting.verdict(), Notes())
    assert await counts(attesting) == (1, 1)
    await publisher.publish(attesting.verdict(outcome), Notes())
    assert await counts(attesting) == (0, 0)
    held = attesting.registry.content.existing(REPOSITORY)
    assert not [each for each in held.manifests.values() if each.body.get("config", {}).get("mediaType") == SIGNATURE]
    await publisher.publish(attesting.verdict(), Notes())
    assert await counts(attesting) == (1, 1)


@EVERYWHERE
async def test_ended_between_any_two_writes_nothing_says_what_is_not_so(attesting: AttestingBench, chain: Chain) -> None:
    """Whoever finds the verdict that it failed finds no signature; the next attempt ends as if there had been no first."""
    publisher = signing(attesting, chain, sign_with=None)
    for writes in range(MOST_WRITES):
        await publisher.publish(attesting.verdict(id=f"pass-{writes}"), Notes())
        failed, was_cut = attesting.verdict(Outcome.FAIL, id=f"fail-{writes}"), False
        if writes:
            attesting.registry.faults.add(Fault(method="PUT|POST|DELETE", times=writes))
        attesting.registry.faults.add(Fault(method="PUT|POST|DELETE", status=403, times=999))
        try:
            await publisher.publish(failed, Notes())
        except WatcherError:
            was_cut = True
        attesting.registry.faults.clear()
        if "fail" in await attesting.stranger.outcomes(IMAGE.digest):
            assert await counts(attesting) == (0, 0)
        await publisher.publish(failed, Notes())
        assert (await counts(attesting), await attesting.stranger.outcomes(IMAGE.digest)) == ((0, 0), ["fail"])
        if not was_cut:
            return
    pytest.fail("it never comes to an end")


@EVERYWHERE
async def test_the_signature_goes_before_the_new_verdict_comes(attesting: AttestingBench, chain: Chain) -> None:
    publisher = signing(attesting, chain)
    await publisher.publish(attesting.verdict(), Notes())
    attesting.registry.faults.add(Fault(method="PUT", path=f"/v2/{REPOSITORY}/manifests/sha256:.*", status=503, times=99))
    with pytest.raises(RetryableError):
        await publisher.publish(attesting.verdict(Outcome.FAIL), Notes())
    assert await counts(attesting) == (0, 0)


@EVERYWHERE
async def test_whatever_signed_it_and_though_nothing_signs_now(attesting: AttestingBench, chain: Chain, tmp_path: Path) -> None:
    """After other certificates, and without any."""
    await signing(attesting, chain).publish(attesting.verdict(), Notes())
    newer = a_chain(tmp_path / "newer")
    await signing(attesting, newer).publish(attesting.verdict(id="v-2"), Notes())
    assert await counts(attesting) == (1, 1)
    await attesting.publishing(sign_with=None, attest=()).publish(attesting.verdict(Outcome.FAIL), Notes())
    assert await counts(attesting) == (0, 0)


@EVERYWHERE
async def test_what_our_key_signed_is_ours_without_our_mark(attesting: AttestingBench, chain: Chain) -> None:
    """Who may push could leave the mark out to keep what would be removed, in a manifest of either form."""
    await attach(attesting, signed_by(chain, attesting))
    await attach(attesting, signed_by(chain, attesting), artifact_type=True)
    assert await counts(attesting) == (2, 0)
    await signing(attesting, chain).publish(attesting.verdict(), Notes())
    assert await counts(attesting) == (1, 1)
    await attach(attesting, signed_by(chain, attesting), artifact_type=True)
    await signing(attesting, chain).publish(attesting.verdict(Outcome.FAIL), Notes())
    assert await counts(attesting) == (0, 0)


@EVERYWHERE
async def test_signatures_of_others_stay(attesting: AttestingBench, chain: Chain, tmp_path: Path) -> None:
    """Theirs, one that is none, and one with our certificates that our key did not make."""
    theirs = signed_by(a_chain(tmp_path / "theirs"), attesting)
    forged = {**json.loads(theirs), "header": json.loads(signed_by(chain, attesting))["header"]}
    kept = {await attach(attesting, each) for each in (theirs, b"{}", b"\xa0", json.dumps(forged).encode())}
    publisher = signing(attesting, chain)
    await publisher.publish(attesting.verdict(), Notes())
    assert await counts(attesting) == (5, 1)
    await publisher.publish(attesting.verdict(Outcome.FAIL), Notes())
    assert {each["digest"] for each in await attesting.stranger.referrers(IMAGE.digest, SIGNATURE)} == kept


@EVERYWHERE
async def test_nothing_is_removed_that_a_list_only_calls_ours(attesting: AttestingBench, chain: Chain) -> None:
    """Whoever may push, but not delete, could have us delete an image by naming it so."""
    marked = {"io.registry-watcher.attestation": "v"}
    attesting.put_fallback({"digest": ARM.digest, "artifactType": SIGNATURE, "annotations": marked, "mediaType": "", "size": 1})
    await signing(attesting, chain).publish(attesting.verdict(Outcome.FAIL), Notes())
    assert ARM.digest in attesting.registry.content.existing(REPOSITORY).manifests


@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_one_that_stays_is_a_failure(attesting: AttestingBench, chain: Chain) -> None:
    """The registry lists whatever it does not delete: everybody lets the image run. The verdict is attached."""
    publisher = signing(attesting, chain, sign_with=None)
    await publisher.publish(attesting.verdict(), Notes())
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    with pytest.raises(StandingError, match="permission to delete in the repository"):
        await publisher.publish(attesting.verdict(Outcome.FAIL), Notes())
    assert "fail" in await attesting.stranger.outcomes(IMAGE.digest)
    attesting.registry.faults.clear()
    await publisher.publish(attesting.verdict(Outcome.FAIL), Notes())
    assert await counts(attesting) == (0, 0)


async def test_without_deleting_it_leaves_the_list(attesting: AttestingBench, chain: Chain) -> None:
    """Where the list is ours to write, nobody who asks finds it."""
    publisher = signing(attesting, chain)
    await publisher.publish(attesting.verdict(), Notes())
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    await publisher.publish(attesting.verdict(Outcome.FAIL), Notes())
    assert await counts(attesting) == (0, 0)


async def test_a_pass_for_another_environment_is_not_enough(attesting: AttestingBench, chain: Chain) -> None:
    """A signature knows of no environments: what fails in one is not signed by what passes in another."""
    failed = attesting.verdict(Outcome.FAIL)
    judgements = Failing(failed)
    attesting.context = replace(attesting.context, judgements=judgements)
    await signing(attesting, chain).publish(attesting.verdict(), Notes())
    assert await counts(attesting) == (0, 0)


@pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
async def test_signatures_do_not_pile_up(attesting: AttestingBench, chain: Chain, tmp_path: Path) -> None:
    """Above fifty referrers Kyverno verifies nothing of the image any more, and ours are not worth that."""
    for number in range(39):
        await attach(attesting, b'{"number": %d}' % number)
    publisher = signing(attesting, chain, sign_with=None)
    for number in range(2):
        await publisher.publish(attesting.verdict(id=f"v-{number}"), Notes())
        assert (await counts(attesting))[0] == 40
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    with pytest.raises(TooManyListedError, match="permission to delete"):
        await publisher.publish(attesting.verdict(id="v-3"), Notes())
    assert (await counts(attesting))[0] == 40


async def test_nothing_is_signed_for_ever_where_nothing_can_be_deleted(attesting: AttestingBench, chain: Chain) -> None:
    """At Docker Hub, which lists a signature for as long as it exists; one that expires is another matter."""
    async with RegistryClients.of([RegistrySettings(host=attesting.registry.host, kind="dockerhub")]) as registries:
        attesting.context = replace(attesting.context, registries=registries)
        with pytest.raises(NotRemovableError, match="it expires at least"):
            await signing(attesting, chain).publish(attesting.verdict(), Notes())
        assert (await counts(attesting))[0] == 0
        assert await attesting.stranger.outcomes(IMAGE.digest) == ["pass"]
        expiring = NotationSettings(key=chain.settings.key, chain=chain.settings.chain, expires_after="2d")
        await signing(attesting, chain, notation=expiring, renew=True).publish(attesting.verdict(), Notes())
        assert (await counts(attesting))[0] == 1


class Failing:
    """Judgements in which an image has failed elsewhere."""

    def __init__(self, failed: Any) -> None:
        self.failed = failed

    async def standing(self, *_: Any) -> list[Any]:
        return [self.failed]

    async def known_good(self, *_: Any) -> list[Any]:
        return []

    async def judged_by(self, *_: Any, **__: Any) -> list[Any]:
        return []
