"""Certificates in files of PEM and DER: whose each is, and until when. Keys are the business of the search for secrets.

Spec: RFC 7468 sections 2, 5 and 8; `TRUSTED CERTIFICATE` is OpenSSL's.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import replace

from watcher.inspection.catalogers.protocol import DatabaseTooLargeError, Facts, Selection
from watcher.inspection.catalogers.x509_der import NotReadableError, certificate, certificates_within
from watcher.model.certificates import CertificateFile, CertificateRecord

# The largest trust store of a distribution, RHEL's with comments, has 1 MB.
MAX_BYTES = 8 * 1024 * 1024
# Some thirty times as many as the largest has.
MAX_CERTIFICATES = 5000

_LABELS = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_SEVERAL = frozenset({b"PKCS7", b"CMS"})
_SUFFIXES = (".pem", ".crt", ".cer", ".cert", ".der", ".p7b", ".p7c", ".ca-bundle", ".PEM", ".CRT", ".CER", ".DER", ".P7B")


class X509Cataloger:
    """What a file says is a certificate and nobody can read is listed with its position alone."""

    type = "x509"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset(each.encode() for each in _SUFFIXES))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.endswith(_SUFFIXES)

    def read(self, path: str, content: bytes) -> Facts:
        found = []
        for position, record in enumerate(_records(content), start=1):
            if position > MAX_CERTIFICATES:
                raise DatabaseTooLargeError(f"{path[:200]} has more than {MAX_CERTIFICATES} certificates and was not read")
            found.append(replace(record, position=position))
        return (CertificateFile(path=path, type=self.type, certificates=tuple(found)),) if found else ()


def _records(content: bytes) -> Iterator[CertificateRecord]:
    before, *blocks = content.split(b"-----BEGIN ")
    for block in blocks:
        label, _, rest = block.partition(b"-----")
        if label in _LABELS:
            yield _record(_decoded(rest.partition(b"-----END")[0]))
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
