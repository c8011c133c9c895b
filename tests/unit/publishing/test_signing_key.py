"""Which keys are taken, and that none of them shows itself."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import PrivateFormat

from tests.doubles.keys import KeyPair, p256, written
from watcher.model.errors import ConfigurationError
from watcher.publishing.signing_key import public_key, signing_key

P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_pkcs8_and_sec1_are_taken(tmp_path: Path, form: PrivateFormat) -> None:
    pair = written(tmp_path, P256, form=form)
    key = signing_key(pair.reference)
    assert key.public.hint == public_key(pair.public).hint
    assert key.public.pem == pair.public.read_text()
    assert public_key(pair.public).verifies(b"m", key.sign(b"m"))


def test_a_key_with_a_password_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = written(tmp_path, P256, password="correct horse")
    monkeypatch.setenv("RIGHT", "correct horse")
    monkeypatch.setenv("WRONG", "battery staple")
    assert signing_key(pair.reference, "env:RIGHT").sign(b"m")
    for password, why in ((None, "none is given"), ("env:WRONG", "another password")):
        with pytest.raises(ConfigurationError, match=why) as refused:
            signing_key(pair.reference, password)
        assert "horse" not in str(refused.value)
        assert "staple" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="has no password"):
        signing_key(p256(tmp_path, "open").reference, "env:RIGHT")


def other_kinds(folder: Path) -> list[KeyPair]:
    keys: list[PrivateKeyTypes] = [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        dsa.generate_private_key(2048),
    ]
    return [written(folder, key, f"key-{number}") for number, key in enumerate(keys)]


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    """Both halves, and what is no key; the message says what is wanted and nothing of the key."""
    for pair in other_kinds(tmp_path):
        with pytest.raises(ConfigurationError, match=r"another kind; an ECDSA key on P-256 or an Ed25519 key"):
            signing_key(pair.reference)
        with pytest.raises(ConfigurationError, match=r"another kind"):
            public_key(pair.public)
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match="no private key") as refused:
        signing_key(f"file:{broken}")
    assert "c2VjcmV0" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="a private key, which checks nothing"):
        public_key(broken)
    broken.write_text("nothing")
    with pytest.raises(ConfigurationError, match="no public key"):
        public_key(broken)
    broken.write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match="cosign's own format"):
        signing_key(f"file:{broken}")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        signing_key(f"file:{tmp_path / 'none'}")
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        public_key(tmp_path / "none")


def test_a_key_shows_nothing_of_itself(tmp_path: Path) -> None:
    assert f"{signing_key(p256(tmp_path).reference)!r}" == "***"
