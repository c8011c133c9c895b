"""A certificate authority of a test's own, and what it signs."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID


class Authority:
    """Everything it issues is for `address` and `hosts` and lies in `directory` as PEM; its own certificate is `path`."""

    def __init__(self, directory: Path, name: str = "authority", *, address: str = "127.0.0.1", hosts: Sequence[str] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)), *map(x509.DNSName, hosts)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        certificate = _builder(self._name, self._name, self._key.public_key())
        certificate = certificate.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of somebody."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(name), self._name, key.public_key()).add_extension(self._names, critical=False)
        cert_path, key_path = self._directory / f"{name}.pem", self._directory / f"{name}.key.pem"
        cert_path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return cert_path, key_path

    def server_context(self, name: str = "server", *, asks: bool = False) -> ssl.SSLContext:
        """What a server with a certificate of this authority needs; with `asks` it wants one of its clients too."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.issue(name))
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path)
        return context


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def signed(
    subject: x509.Name | str,
    *,
    issuer: str = "",
    key: CertificateIssuerPrivateKeyTypes | None = None,
    ca: bool = False,
    begins: datetime = datetime(2024, 2, 29, 12, 0, 1, tzinfo=UTC),
    ends: datetime = datetime(2034, 1, 1, tzinfo=UTC),
) -> x509.Certificate:
    """A certificate that `issuer` signs, or else whoever it is of; of an Ed25519 key if no other."""
    named = subject if isinstance(subject, x509.Name) else _named(subject)
    signing = key or ed25519.Ed25519PrivateKey.generate()
    builder = x509.CertificateBuilder(named if not issuer else _named(issuer), named, signing.public_key(), 7, begins, ends)
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    is_edwards = isinstance(signing, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    return builder.sign(signing, None if is_edwards else hashes.SHA384())


def pem(*certificates: x509.Certificate) -> bytes:
    """A file of these, one after another."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
