"""Keys made for one test, and what openssl says of what was signed with them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """Two files; `reference` is how the configuration names the private one."""

    private: Path
    public: Path

    @property
    def reference(self) -> str:
        return f"file:{self.private}"


def p256(folder: Path, name: str = "verdict") -> KeyPair:
    return written(folder, ec.generate_private_key(ec.SECP256R1()), name)


def ed(folder: Path, name: str = "verdict") -> KeyPair:
    return written(folder, ed25519.Ed25519PrivateKey.generate(), name)


def written(
    folder: Path,
    key: PrivateKeyTypes,
    name: str = "verdict",
    *,
    form: PrivateFormat = PrivateFormat.PKCS8,
    password: str = "",
) -> KeyPair:
    pair = KeyPair(private=folder / f"{name}.pem", public=folder / f"{name}.pub")
    locked: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    pair.private.write_bytes(key.private_bytes(Encoding.PEM, form, locked))
    pair.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return pair


def openssl_verifies(public: Path, message: bytes, signature: bytes) -> bool:
    """Of ECDSA over SHA-256."""
    kept = public.with_suffix(".sig")
    kept.write_bytes(signature)
    ended = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", public, "-signature", kept], input=message, capture_output=True, check=False
    )
    return ended.returncode == 0


def openssl_verifies_raw(public: Path, message: bytes, signature: bytes) -> bool:
    """Of Ed25519, which signs the message itself."""
    kept, said = public.with_suffix(".sig"), public.with_suffix(".message")
    kept.write_bytes(signature)
    said.write_bytes(message)
    asked = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin", "-in", str(said), "-sigfile", str(kept)]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
