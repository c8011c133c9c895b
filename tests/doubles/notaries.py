"""Certificates to sign images with, and what is said of a signature by code that shares nothing with ours.

The reading here knows RFC 7515 and the specifications of Notary Project; openssl has the last word on signatures of EC keys.
"""

import json
import subprocess
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from watcher.publishing.notation_settings import NotationSettings

AnyKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
CODE_SIGNING = (ExtendedKeyUsageOID.CODE_SIGNING,)
_USAGES = (
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign encipher_only "
    "decipher_only"
)


def usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in allowed for each in _USAGES.split()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its key; another may be issued by it."""

    certificate: x509.Certificate
    key: AnyKey


def issued(
    name: str,
    by: Issued | None = None,
    *,
    key: AnyKey | None = None,
    ca: bool | None = False,
    constraints_critical: bool = True,
    path_length: int | None = None,
    key_usage: x509.KeyUsage | None = None,
    usage_critical: bool = True,
    extended: Sequence[x509.ObjectIdentifier] = CODE_SIGNING,
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    ends: datetime = datetime(2049, 1, 1, tzinfo=UTC),
) -> Issued:
    """By another, or by itself; what is not said is as Notary Project wants it. `ca` None leaves the constraints out."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        by.certificate.subject if by else subject,
        subject,
        own.public_key(),
        x509.random_serial_number(),
        begins,
        ends,
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=constraints_critical)
    asked = key_usage or (usage("key_cert_sign", "crl_sign") if ca else usage("digital_signature"))
    builder = builder.add_extension(asked, critical=usage_critical)
    if extended and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    signing = by.key if by else own
    hashed = None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(certificate=builder.sign(signing, hashed), key=own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Two files, and the certificates in one of them."""

    key: Path
    chain: Path
    issued: Sequence[Issued]

    @property
    def settings(self) -> NotationSettings:
        return NotationSettings(key=f"file:{self.key}", chain=str(self.chain))

    @property
    def thumbprints(self) -> list[str]:
        return [sha256(each.certificate.public_bytes(Encoding.DER)).hexdigest() for each in self.issued]


def written_chain(folder: Path, *chain: Issued, name: str = "notation") -> Chain:
    """The first one's key, and all certificates in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Chain(key=folder / f"{name}.key", chain=folder / f"{name}.crt", issued=chain)
    found.key.write_bytes(chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    found.chain.write_bytes(b"".join(each.certificate.public_bytes(Encoding.PEM) for each in chain))
    return found


def a_chain(folder: Path, key: AnyKey | None = None, *, name: str = "notation") -> Chain:
    """Root, an authority between, and one to sign with."""
    root = issued("root", ca=True)
    between = issued("between", root, ca=True, path_length=0)
    return written_chain(folder, issued(name, between, key=key), between, root, name=name)


def said_in(envelope: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    """The protected header, the payload and the header that anybody can change."""
    found = json.loads(envelope)
    assert set(found) == {"payload", "protected", "header", "signature"}
    return json.loads(_raw(found["protected"])), json.loads(_raw(found["payload"])), found["header"]


def openssl_accepts(envelope: bytes, folder: Path, root: x509.Certificate) -> bool:
    """Whether openssl verifies the signature with the first certificate, and the chain up to the root."""
    found = json.loads(envelope)
    protected, _, header = said_in(envelope)
    bits, signature = protected["alg"][2:], _raw(found["signature"])
    certificates = [x509.load_der_x509_certificate(b64decode(each, validate=True)) for each in header["x5c"]]
    paths = {name: folder / f"openssl.{name}" for name in ("leaf", "others", "root", "public", "signature", "message")}
    paths["leaf"].write_bytes(certificates[0].public_bytes(Encoding.PEM))
    paths["others"].write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates[1:]))
    paths["root"].write_bytes(root.public_bytes(Encoding.PEM))
    paths["message"].write_bytes(f"{found['protected']}.{found['payload']}".encode())
    paths["signature"].write_bytes(_as_der(signature) if protected["alg"].startswith("ES") else signature)
    paths["public"].write_bytes(_openssl("x509", "-in", str(paths["leaf"]), "-pubkey", "-noout").stdout)
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", f"rsa_pss_saltlen:{int(bits) // 8}"]
    options = pss if protected["alg"].startswith("PS") else []
    signed = ["dgst", f"-sha{bits}", "-verify", paths["public"], "-signature", paths["signature"], *options, paths["message"]]
    trusted = ["verify", "-CAfile", paths["root"], "-untrusted", paths["others"], paths["leaf"]]
    return all(_openssl(*map(str, each)).returncode == 0 for each in (signed, trusted))


def _openssl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=False)


def _as_der(raw: bytes) -> bytes:
    """R and s as two INTEGERs in a SEQUENCE, for openssl."""
    half = len(raw) // 2
    numbers = b"".join(_integer(raw[start : start + half]) for start in (0, half))
    length = bytes([len(numbers)]) if len(numbers) < 128 else bytes([0x81, len(numbers)])
    return b"\x30" + length + numbers


def _integer(raw: bytes) -> bytes:
    number = int.from_bytes(raw, "big")
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([0x02, len(content)]) + content


def _raw(text: str) -> bytes:
    """Base64 for URLs, and without anything that does not belong into it."""
    assert "=" not in text
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
