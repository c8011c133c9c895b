"""`watcher verdict verify` and signatures of Notary Project."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from tests.doubles.keys import KeyPair, p256
from tests.doubles.notaries import Chain, Issued, a_chain, issued, written_chain
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.referrer_bench import AttestingBench
from watcher.publishing.notation_settings import NotationSettings
from watcher.testing.registry import MemoryRegistry

pytestmark = pytest.mark.enable_socket

NOW = datetime.now(UTC).replace(microsecond=0)
Signs = Callable[..., None]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """Of a key that signs no attestations, so that nothing else can be verified by it."""
    return a_chain(tmp_path, ec.generate_private_key(ec.SECP384R1()))


@pytest.fixture
def pair(tmp_path: Path) -> KeyPair:
    return p256(tmp_path)


@pytest.fixture
def signed(registry: MemoryRegistry, pair: KeyPair, tmp_path: Path) -> Signs:
    """`signed(chain)`: what a daemon did there before, with `sign_with` and `expires_after` where asked."""

    def sign(chain: Chain, *, expires_after: str | None = None, evaluated_at: datetime = NOW, **changes: Any) -> None:
        async def act() -> None:
            async with publisher_context(tmp_path / "w.db") as context:
                bench = AttestingBench(registry=registry, context=context, pair=pair)
                notation = NotationSettings(key=f"file:{chain.key}", chain=str(chain.chain), expires_after=expires_after)
                settings = {"sign_with": None, "notation": notation, "renew": True, **changes}
                await bench.publishing(**settings).publish(bench.verdict(evaluated_at=evaluated_at), Notes())

        with capture_logs():
            asyncio.run(act())

    return sign


def kept(folder: Path, issuer: Issued) -> Path:
    path = folder / "trusted.crt"
    path.write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_certificate_of_the_chain_verifies(
    watcher: Any, signed: Signs, registry: MemoryRegistry, chain: Chain, tmp_path: Path, place: int
) -> None:
    """The one that signed, or any that it leads to."""
    signed(chain)
    trusted = kept(tmp_path, chain.issued[place])
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", trusted, "--max-age", "1h")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count("verified\tnotation sha256:") == 1
    assert f", by {trusted}\n" in ended.out
    assert ended.out.endswith(": verified as pass\n")


def test_the_public_key_verifies(
    watcher: Any, signed: Signs, registry: MemoryRegistry, chain: Chain, pair: KeyPair, tmp_path: Path
) -> None:
    """Beside another key, which the attestation and the verdict are signed with."""
    signed(chain, sign_with=pair.reference)
    public = tmp_path / "notation.pub"
    key = chain.issued[0].key.public_key()
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", public, "--key", pair.public, "-o", "json")
    said = json.loads(ended.out)
    assert (ended.code, said["outcome"]) == (0, "pass")
    assert {each["form"]: (each["key"], each["problem"]) for each in said["found"]} == {
        "verdict": (str(pair.public), None),
        "bundle": (str(pair.public), None),
        "notation": (str(public), None),
    }


def test_one_key_can_check_both(watcher: Any, signed: Signs, registry: MemoryRegistry, pair: KeyPair, tmp_path: Path) -> None:
    """One on P-256 may have signed either."""
    chain = a_chain(tmp_path)
    public = tmp_path / "notation.pub"
    key = chain.issued[0].key.public_key()
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    signed(chain, sign_with=f"file:{chain.key}")
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", public)
    assert (ended.code, ended.out.count("verified\t")) == (0, 3)


def test_what_others_signed_does_not_count(
    watcher: Any, signed: Signs, registry: MemoryRegistry, chain: Chain, tmp_path: Path
) -> None:
    """Another root of the same name, and another key."""
    image = f"{registry.host}/team/app:v1"
    signed(chain)
    for other in (kept(tmp_path, issued("root", ca=True)), p256(tmp_path, "other").public):
        ended = watcher("verdict", "verify", image, "--key", other)
        assert (ended.code, "signed by none of the keys given" in ended.out) == (3, True)


@pytest.mark.parametrize("problem", ["has expired", "too old", "dated in the future"])
def test_what_is_not_of_now_does_not_count(
    watcher: Any, signed: Signs, registry: MemoryRegistry, chain: Chain, tmp_path: Path, problem: str
) -> None:
    before = {"has expired": 3, "too old": 3, "dated in the future": -3}[problem]
    signed(chain, expires_after="2d" if problem == "has expired" else None, evaluated_at=NOW - timedelta(days=before))
    trusted = kept(tmp_path, chain.issued[-1])
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", trusted, "--max-age", "2d")
    assert (ended.code, f": {problem} (" in ended.out) == (3, True)


def test_an_expired_certificate_does_not_count(watcher: Any, signed: Signs, registry: MemoryRegistry, tmp_path: Path) -> None:
    """Signed while it was valid, which nobody but the signer says."""
    root = issued("root", ca=True)
    # Valid at the moment that time stands still at for publishers here, and not any more.
    short = written_chain(tmp_path, issued("leaf", root, ends=datetime(2026, 11, 25, 11, tzinfo=UTC)), root)
    signed(short, evaluated_at=datetime(2026, 11, 25, 10, tzinfo=UTC))
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", kept(tmp_path, root))
    assert (ended.code, "CN=leaf,C=DE: has expired at" in ended.out) == (3, True)


def test_a_file_that_checks_nothing_is_an_error(watcher: Any, registry: MemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("-----BEGIN CERTIFICATE-----\n")
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", tmp_path / "empty")
    assert (ended.code, "is no public key in PEM" in ended.err) == (2, True)
