"""Certificates and keys in files of PEM and DER, and of OpenSSH: whose each is and until when, of what kind and size.

Spec: RFC 7468 sections 2, 5 and 8; `TRUSTED CERTIFICATE` is OpenSSL's.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import replace

from watcher.inspection.catalogers.protocol import DatabaseTooLargeError, Facts, Selection
from watcher.inspection.catalogers.x509_der import NotReadableError, certificate, certificates_within
from watcher.inspection.catalogers.x509_keys import AUTHORIZED, KEYSTORE, LABELS, PUBLIC, is_keystore, key_in, ssh_keys
from watcher.model.certificates import CertificateFile, CertificateRecord, KeyRecord

# The largest trust store of a distribution, RHEL's with comments, has 1 MB.
MAX_BYTES = 8 * 1024 * 1024
# Some thirty times as many as the largest has.
MAX_RECORDS = 5000

_LABELS = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_SEVERAL = frozenset({b"PKCS7", b"CMS"})
_SUFFIXES = (
    *(".pem", ".crt", ".cer", ".cert", ".der", ".p7b", ".p7c", ".ca-bundle", ".key", ".pub", ".jks", ".keystore", ".p12", ".pfx"),
    *(".PEM", ".CRT", ".CER", ".DER", ".P7B", ".KEY", ".JKS", ".P12", ".PFX"),
)
_AUTHORIZED = frozenset({"authorized_keys", "authorized_keys2"})
_KINDS = ("rsa", "dsa", "ecdsa", "ed25519")
_NAMES = _AUTHORIZED | {f"id_{each}" for each in _KINDS} | {f"ssh_host_{each}_key" for each in _KINDS}


class X509Cataloger:
    """What a file says is a certificate and nobody can read is listed with its position alone, a key with its kind."""

    type = "x509"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(
        names=frozenset(each.encode() for each in _NAMES), suffixes=frozenset(each.encode() for each in _SUFFIXES)
    )

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and (path.endswith(_SUFFIXES) or path.rpartition("/")[2] in _NAMES)

    def read(self, path: str, content: bytes) -> Facts:
        certificates: list[CertificateRecord] = []
        keys: list[KeyRecord] = []
        for each in (*_records(content), *_others(path, content)):
            if len(certificates) + len(keys) >= MAX_RECORDS:
                raise DatabaseTooLargeError(f"{path[:200]} has more than {MAX_RECORDS} certificates and keys and was not read")
            if isinstance(each, KeyRecord):
                keys.append(replace(each, position=len(keys) + 1))
            else:
                certificates.append(replace(each, position=len(certificates) + 1))
        if not certificates and not keys:
            return ()
        return (CertificateFile(path=path, type=self.type, certificates=tuple(certificates), keys=tuple(keys)),)


def _others(path: str, content: bytes) -> Iterator[KeyRecord]:
    """What is in no block of PEM."""
    name = path.rpartition("/")[2]
    if name in _AUTHORIZED or name.endswith(".pub"):
        yield from ssh_keys(content, AUTHORIZED if name in _AUTHORIZED else PUBLIC)
    elif is_keystore(content):
        yield KeyRecord(kind=KEYSTORE)


def _records(content: bytes) -> Iterator[CertificateRecord | KeyRecord]:
    before, *blocks = content.split(b"-----BEGIN ")
    for block in blocks:
        label, _, rest = block.partition(b"-----")
        if label in _LABELS:
            yield _record(_decoded(rest.partition(b"-----END")[0]))
        elif label in LABELS:
            yield key_in(label, rest.partition(b"-----END")[0])
        elif label in _SEVERAL:
            yield from _of_several(_decoded(rest.partition(b"-----END")[0]))
    if not blocks and before.startswith(b"\x30"):
        yield from _binary(before)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _record(content: bytes) -> CertificateRecord:
    try:
        return certificate(content)
    except NotReadableError:
        return CertificateRecord()


def _of_several(content: bytes) -> Iterator[CertificateRecord]:
    try:
        yield from map(_record, certificates_within(content))
    except NotReadableError:
        yield CertificateRecord()


def _binary(content: bytes) -> Iterator[CertificateRecord]:
    """A file that nothing but its name says what it is: what is no certificate may be anything."""
    try:
        yield certificate(content)
    except NotReadableError:
        try:
            yield from map(_record, certificates_within(content))
        except NotReadableError:
            return
