"""Certificates as files have them: whose they are, until when, by what keys."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier

from tests.doubles.cataloging import facts_of
from tests.doubles.certificates import pem, signed
from watcher.inspection.catalogers import x509 as cataloging
from watcher.inspection.catalogers.protocol import DatabaseTooLargeError
from watcher.inspection.catalogers.x509 import MAX_BYTES, X509Cataloger
from watcher.model.certificates import CertificateFile, CertificateRecord, KeyRecord

ROOT, LEAF = signed("Root", ca=True), signed("example.com", issuer="Root")


def read(content: bytes, path: str = "etc/tls.pem") -> tuple[CertificateRecord, ...]:
    facts = facts_of(X509Cataloger(), path, content)
    if not facts:
        return ()
    (listed,) = facts
    assert isinstance(listed, CertificateFile)
    assert listed.path == path
    return listed.certificates


def told(record: CertificateRecord) -> tuple[int, str, bool]:
    return record.position, record.subject, record.ca


def block(label: str, content: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(content) + f"-----END {label}-----\n".encode()


def test_a_certificate_says_whose_it_is_and_until_when() -> None:
    """The fingerprint is that of every other tool."""
    assert read(pem(LEAF)) == (
        CertificateRecord(
            position=1,
            subject="CN=example.com",
            issuer="CN=Root",
            not_before="2024-02-29T12:00:01Z",
            not_after="2034-01-01T00:00:00Z",
            key_algorithm="Ed25519",
            key_bits=256,
            signature_algorithm="Ed25519",
            sha256=LEAF.fingerprint(hashes.SHA256()).hex(),
        ),
    )


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (rsa.generate_private_key(65537, 2048), ("RSA", 2048, "RSA-SHA384")),
        (ec.generate_private_key(ec.SECP256R1()), ("EC", 256, "ECDSA-SHA384")),
        (ec.generate_private_key(ec.SECP521R1()), ("EC", 521, "ECDSA-SHA384")),
        (dsa.generate_private_key(1024), ("DSA", 1024, "2.16.840.1.101.3.4.3.3")),
        (ed448.Ed448PrivateKey.generate(), ("Ed448", 456, "Ed448")),
    ],
    ids=["RSA", "P-256", "P-521", "DSA", "Ed448"],
)
def test_keys(key: Any, expected: tuple[str, int, str]) -> None:
    """By algorithm and size; what has no name here is told by its identifier."""
    (record,) = read(pem(signed("a", key=key)))
    assert (record.key_algorithm, record.key_bits, record.signature_algorithm) == expected


def test_files_hold_several_in_order() -> None:
    """With whatever text between them, line ends of any kind, and keys, which are not told."""
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    content = b"# Root\r\n" + pem(ROOT).replace(b"\n", b"\r\n") + key + b"subject=x\n" + pem(LEAF)
    assert [*map(told, read(content))] == [(1, "CN=Root", True), (2, "CN=example.com", False)]
    assert [each.self_signed for each in read(content)] == [True, False]
    assert read(key) == ()
    (listed,) = facts_of(X509Cataloger(), "etc/key.pem", key)
    assert listed.keys == (KeyRecord(position=1, kind="private", algorithm="Ed25519", bits=256),)


@pytest.mark.parametrize(
    "content",
    [
        ROOT.public_bytes(Encoding.DER),
        block("X509 CERTIFICATE", ROOT.public_bytes(Encoding.DER)),
        block("TRUSTED CERTIFICATE", ROOT.public_bytes(Encoding.DER) + b"\x30\x03\x0c\x01a"),
    ],
    ids=["der", "old", "trusted"],
)
def test_other_forms(content: bytes) -> None:
    """It is the same certificate."""
    assert read(content) == read(pem(ROOT))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_several_in_a_pkcs7(encoding: Encoding) -> None:
    """A signedData of nothing but certificates."""
    found = read(pkcs7.serialize_certificates([ROOT, LEAF], encoding))
    assert {each.sha256 for each in found} == {each.sha256 for each in read(pem(ROOT, LEAF))}
    assert [each.position for each in found] == [1, 2]


def test_names() -> None:
    """As RFC 4514 has them, in whatever encoding; what would make another name of it is escaped."""
    oid, kinds = NameOID, _ASN1Type
    parts = [
        x509.NameAttribute(oid.COUNTRY_NAME, "DE"),
        x509.NameAttribute(oid.ORGANIZATION_NAME, "Zürich, Söhne", kinds.BMPString),
        x509.NameAttribute(oid.COMMON_NAME, "a=b+c\n"),
        x509.NameAttribute(ObjectIdentifier("1.3.6.1.4.1.311.60.2.1.3"), "DE"),
    ]
    (record,) = read(pem(signed(x509.Name(parts))))
    assert record.subject == record.issuer == "1.3.6.1.4.1.311.60.2.1.3=DE,CN=a=b\\+c,O=Zürich\\, Söhne,C=DE"
    assert record.self_signed


def test_times() -> None:
    """From 2050 on they are written with four digits; 9999 means for ever."""
    years = (datetime(1950, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    (record,) = read(pem(signed("a", begins=years[0], ends=years[1])))
    assert (record.not_before, record.not_after) == ("1950-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"3401010000Z", "2034-01-01T00:00:00Z"),
        (b"340101000000+0130", "2033-12-31T22:30:00Z"),
        (b"20340101000000.5Z", "2034-01-01T00:00:00Z"),
        (b"340231000000Z", ""),
        (b"00000101000000Z", ""),
        (b"00010101000000+9900", ""),
        (b"never", ""),
    ],
)
def test_times_as_others_write_them(written: bytes, shown: str) -> None:
    """Without seconds or with a zone, as older rules had it; what is no time is empty, and the rest is told."""
    algorithm, name = der(0x30, b"\x06\x03\x2b\x65\x70"), der(0x30)
    validity = der(0x30, der(0x17, b"240101000000Z"), der(0x18, written))
    body = der(0x30, der(0x02, b"\1"), algorithm, name, validity, name, der(0x30, algorithm, der(0x03)))
    (record,) = read(block("CERTIFICATE", der(0x30, body, algorithm, der(0x03))))
    assert (record.not_before, record.not_after, record.key_bits) == ("2024-01-01T00:00:00Z", shown, 256)


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        block("CERTIFICATE", b"\x30\x03\x02\x01\x01"),
        block("CERTIFICATE", ROOT.public_bytes(Encoding.DER)[:-1]),
        block("PKCS7", b"\x30\x00"),
        b"-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_says_that_it_is_one_is_listed(content: bytes) -> None:
    """With its position alone, where nobody can read it."""
    assert read(content) == (CertificateRecord(position=1),)


@pytest.mark.parametrize("content", [b"", b"text", b"\x30", b"\x30\x03\x02\x01\x01", b"PK\x03\x04", b"-----BEGIN"])
def test_what_only_its_name_makes_one_may_be_anything(content: bytes) -> None:
    """A binary file is a certificate where it can be read as one."""
    assert read(content, "srv/data.der") == ()


def test_which_files_are_read() -> None:
    """By their endings, anywhere, within a limit."""
    cataloger = X509Cataloger()
    assert cataloger.wants("srv/a/ca.PEM", MAX_BYTES)
    assert not cataloger.wants("srv/a/ca.pem", MAX_BYTES + 1)
    assert not cataloger.wants("srv/a/pem", 1)


def test_there_may_be_too_many() -> None:
    """More than anybody trusts are not read, which the caller records."""
    content = b"-----BEGIN CERTIFICATE-----\n" * (cataloging.MAX_RECORDS + 1)
    with pytest.raises(DatabaseTooLargeError, match="more than 5000 certificates"):
        read(content)
