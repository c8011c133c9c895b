"""Images that pass are signed as Notary Project says, and whoever reads that shares no code with us."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from structlog.testing import capture_logs

from tests.doubles.attesting import REPOSITORY
from tests.doubles.notaries import AnyKey, Chain, a_chain, issued, openssl_accepts, said_in, written_chain
from tests.doubles.publishing import Notes
from tests.doubles.referrer_bench import ARM, EVERYWHERE, IMAGE, INDEX, AttestingBench
from tests.doubles.verdicts import MOMENT
from watcher.model.image import EMPTY_DIGEST, Descriptor
from watcher.model.verdict import Outcome
from watcher.publishing.notation import CertificateExpiredError
from watcher.publishing.notation_envelope import signature_bytes
from watcher.publishing.referrer import ReferrerPublisher

pytestmark = pytest.mark.enable_socket

SIGNATURE = "application/vnd.cncf.notary.signature"
KEYS: dict[str, Callable[[], AnyKey]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS384": lambda: rsa.generate_private_key(65537, 3072),
    "PS512": lambda: rsa.generate_private_key(65537, 4096),
}


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return a_chain(tmp_path)


def signing(bench: AttestingBench, chain: Chain, **changes: Any) -> ReferrerPublisher:
    """Signs what passes, with no other key."""
    return bench.publishing(**{"sign_with": None, "notation": chain.settings, **changes})


async def envelopes(bench: AttestingBench, digest: str) -> list[bytes]:
    listed = await bench.stranger.referrers(digest, SIGNATURE)
    manifests = [await bench.stranger.manifest(each["digest"]) for each in listed]
    return [await bench.stranger.blob(each["layers"][0]["digest"]) for each in manifests if each]


@pytest.mark.parametrize("algorithm", KEYS)
def test_each_kind_of_key_signs_as_its_own_algorithm(tmp_path: Path, algorithm: str) -> None:
    """Openssl verifies the signature and the chain."""
    chain = a_chain(tmp_path, KEYS[algorithm]())
    target = Descriptor(media_type=IMAGE.media_type, digest=IMAGE.digest, size=len(IMAGE.raw))
    certificates = [each.certificate for each in chain.issued]
    envelope = signature_bytes(target, chain.issued[0].key, certificates, moment=MOMENT, agent="registry-watcher/1")
    protected, payload, _ = said_in(envelope)
    assert protected["alg"] == algorithm
    assert payload["targetArtifact"]["digest"] == IMAGE.digest
    assert openssl_accepts(envelope, tmp_path, certificates[-1])
    other = issued("root", ca=True).certificate
    assert not openssl_accepts(envelope, tmp_path, other)
    forged = envelope.replace(b'"signature":"', b'"signature":"AAAA', 1)
    assert not openssl_accepts(forged, tmp_path, certificates[-1])


@EVERYWHERE
async def test_the_signature_is_what_the_specification_says(attesting: AttestingBench, chain: Chain, tmp_path: Path) -> None:
    """Its manifest has no artifactType, so that every version finds it; the list says its type all the same."""
    await signing(attesting, chain).publish(attesting.verdict(), Notes())
    (entry,) = await attesting.stranger.referrers(IMAGE.digest, SIGNATURE)
    manifest = await attesting.stranger.manifest(entry["digest"])
    assert manifest is not None
    assert "artifactType" not in manifest
    assert manifest["config"] == {"mediaType": SIGNATURE, "digest": EMPTY_DIGEST, "size": 2}
    assert manifest["subject"] == {"mediaType": IMAGE.media_type, "digest": IMAGE.digest, "size": len(IMAGE.raw)}
    assert [each["mediaType"] for each in manifest["layers"]] == ["application/jose+json"]
    prints = json.loads(manifest["annotations"].pop("io.cncf.notary.x509chain.thumbprint#S256"))
    assert prints == chain.thumbprints
    assert manifest["annotations"] == {
        "io.registry-watcher.attestation": "v-1",
        "org.opencontainers.image.created": "2026-11-25T10:00:00Z",
    }
    (envelope,) = await envelopes(attesting, IMAGE.digest)
    protected, payload, header = said_in(envelope)
    assert protected == {
        "alg": "ES256",
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "crit": ["io.cncf.notary.signingScheme"],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": "2026-11-25T10:00:00Z",
    }
    assert payload == {"targetArtifact": manifest["subject"]}
    assert (len(header["x5c"]), header["io.cncf.notary.signingAgent"]) == (3, "registry-watcher/0.1.0")
    assert openssl_accepts(envelope, tmp_path, chain.issued[-1].certificate)


@EVERYWHERE
async def test_it_stands_beside_an_attestation(attesting: AttestingBench, chain: Chain) -> None:
    """With a key for verdicts both are there, without one the signature alone."""
    await signing(attesting, chain, sign_with=attesting.pair.reference).publish(attesting.verdict(), Notes())
    assert (len(await envelopes(attesting, IMAGE.digest)), await attesting.stranger.counts(IMAGE.digest)) == (1, (1, 0))
    await signing(attesting, chain).publish(attesting.verdict(image=ARM), Notes())
    assert (len(await envelopes(attesting, ARM.digest)), await attesting.stranger.counts(ARM.digest)) == (1, (0, 0))


async def test_an_index_is_signed_and_nothing_in_it(attesting: AttestingBench, chain: Chain) -> None:
    """Verifiers ask by the digest that a name led to; each platform has a verdict of its own, and a signature by that."""
    await signing(attesting, chain).publish(attesting.verdict(image=INDEX), Notes())
    assert [len(await envelopes(attesting, each)) for each in (INDEX.digest, IMAGE.digest, ARM.digest)] == [1, 0, 0]
    (envelope,) = await envelopes(attesting, INDEX.digest)
    assert said_in(envelope)[1]["targetArtifact"]["mediaType"] == INDEX.media_type


@EVERYWHERE
@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
async def test_there_is_one_however_often_the_image_is_judged(attesting: AttestingBench, tmp_path: Path, algorithm: str) -> None:
    """Of an EC key a repeated publication is the same bytes, and nothing is put again."""
    publisher = signing(attesting, a_chain(tmp_path, KEYS[algorithm]()))
    await publisher.publish(attesting.verdict(), Notes())
    before = await attesting.stranger.referrers(IMAGE.digest, SIGNATURE)
    await publisher.publish(attesting.verdict(), Notes())
    again = await attesting.stranger.referrers(IMAGE.digest, SIGNATURE)
    assert (again == before, len(again)) == (algorithm == "ES256", 1)
    await publisher.publish(attesting.verdict(id="v-2"), Notes())
    (entry,) = await attesting.stranger.referrers(IMAGE.digest, SIGNATURE)
    assert entry["annotations"]["io.registry-watcher.attestation"] == "v-2"


async def test_everything_is_claimed_before_it_is_put(attesting: AttestingBench, chain: Chain) -> None:
    """The event of a signature starts no work."""
    await signing(attesting, chain).publish(attesting.verdict(), Notes())
    held = attesting.registry.content.existing(REPOSITORY)
    written = {digest for digest in held.manifests if digest not in {IMAGE.digest, ARM.digest, INDEX.digest}}
    assert len(written) >= 2
    assert {*await attesting.context.own_writes.claimed(written)} == written


async def test_a_certificate_that_is_younger_than_the_verdict_dates_it(attesting: AttestingBench, tmp_path: Path) -> None:
    """It could not have signed before it was valid, and verifiers would say so."""
    begins = datetime(2026, 11, 25, 10, 0, 30, tzinfo=UTC)
    root = issued("root", ca=True)
    young = written_chain(tmp_path, issued("leaf", root, begins=begins), root)
    attesting.context = replace(attesting.context, clock=lambda: begins + timedelta(hours=1))
    await signing(attesting, young).publish(attesting.verdict(), Notes())
    (envelope,) = await envelopes(attesting, IMAGE.digest)
    assert said_in(envelope)[0]["io.cncf.notary.signingTime"] == "2026-11-25T10:00:30Z"


async def test_it_expires_where_that_is_wanted(attesting: AttestingBench, chain: Chain) -> None:
    """Critical, or a verifier that does not know it would let it stand."""
    settings = type(chain.settings)(key=chain.settings.key, chain=chain.settings.chain, expires_after="2d")
    await signing(attesting, chain, notation=settings, renew=True).publish(attesting.verdict(), Notes())
    (envelope,) = await envelopes(attesting, IMAGE.digest)
    protected = said_in(envelope)[0]
    assert protected["io.cncf.notary.expiry"] == "2026-11-27T10:00:00Z"
    assert protected["crit"] == ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"]


async def test_expired_certificates_sign_nothing_and_say_so(attesting: AttestingBench, tmp_path: Path) -> None:
    """The verdict and the attestation are there; the publication fails, until somebody renews them."""
    now = MOMENT
    attesting.context = replace(attesting.context, clock=lambda: now)
    root = issued("root", ca=True)
    short = written_chain(tmp_path, issued("leaf", root, ends=MOMENT + timedelta(days=20)), root)
    publisher = signing(attesting, short, sign_with=attesting.pair.reference)
    with capture_logs() as logs:
        await publisher.open()
        await publisher.publish(attesting.verdict(), Notes())
    (line,) = (each for each in logs if each["event"] == "notation.expires-soon")
    assert (line["log_level"], "CN=leaf" in line["detail"], "2026-12-15" in line["detail"]) == ("warning", True, True)
    now = MOMENT + timedelta(days=21)
    with pytest.raises(CertificateExpiredError, match=r"CN=leaf,C=DE: has expired at 2026-12-15T10:00:00Z\. Renew") as failed:
        await publisher.publish(attesting.verdict(image=ARM), Notes())
    assert failed.value.reason == "certificate-expired"
    assert await envelopes(attesting, ARM.digest) == []
    assert await attesting.stranger.counts(ARM.digest) == (1, 0)
    assert await attesting.stranger.outcomes(ARM.digest) == ["pass"]
    await publisher.publish(attesting.verdict(Outcome.FAIL), Notes())
    assert await envelopes(attesting, IMAGE.digest) == []


async def test_the_key_shows_in_no_log(attesting: AttestingBench, chain: Chain) -> None:
    with capture_logs() as logs:
        await signing(attesting, chain).publish(attesting.verdict(), Notes())
    secret = "".join(chain.key.read_text().splitlines()[1:-1])
    assert secret[:20] not in repr(logs)
    assert [each["event"] for each in logs] == ["referrer.published", "signature.published"]
