"""One X.509 certificate as far as it says whose it is, until when, and by what keys. Nothing is verified.

A reader of our own: importing one that verifies takes longer than reading all certificates of a distribution.

Spec: RFC 5280 section 4, ITU-T X.690 (DER); RFC 4514 for names as text; RFC 5652 section 5 for files that hold several.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import islice

from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.certificates import CertificateRecord

_INTEGER, _BIT_STRING, _OCTETS, SEQUENCE = 0x02, 0x03, 0x04, 0x30
FIRST, _EXTENSIONS = 0xA0, 0xA3  # [0] and [3], constructed

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")  # 2.5.29.19

# Parts of a name by their OID, RFC 4514 section 3 and RFC 5280 appendix A.1.
_ATTRIBUTES: Mapping[bytes, str] = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x05": "serialNumber",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x09": "STREET",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
    bytes.fromhex("0992268993f22c640101"): "UID",
    bytes.fromhex("0992268993f22c640119"): "DC",
    bytes.fromhex("2a864886f70d010901"): "emailAddress",
}

# Algorithms of keys. Of elliptic curves the curve is the size.
_KEYS: Mapping[bytes, str] = {
    bytes.fromhex("2a864886f70d010101"): "RSA",
    bytes.fromhex("2a864886f70d01010a"): "RSA",  # only for RSASSA-PSS
    bytes.fromhex("2a8648ce380401"): "DSA",
    bytes.fromhex("2a8648ce3d0201"): "EC",
    bytes.fromhex("2b656e"): "X25519",
    bytes.fromhex("2b656f"): "X448",
    bytes.fromhex("2b6570"): "Ed25519",
    bytes.fromhex("2b6571"): "Ed448",
}
_BITS: Mapping[str, int] = {"Ed25519": 256, "X25519": 256, "Ed448": 456, "X448": 448}
CURVES: Mapping[bytes, int] = {
    bytes.fromhex("2a8648ce3d030101"): 192,
    bytes.fromhex("2a8648ce3d030107"): 256,
    bytes.fromhex("2b81040021"): 224,
    bytes.fromhex("2b81040022"): 384,
    bytes.fromhex("2b81040023"): 521,
    bytes.fromhex("2b8104000a"): 256,  # secp256k1
    bytes.fromhex("2b2403030208010107"): 256,  # brainpoolP256r1
    bytes.fromhex("2b240303020801010b"): 384,
    bytes.fromhex("2b240303020801010d"): 512,
}

_SIGNATURES: Mapping[bytes, str] = {
    bytes.fromhex("2a864886f70d010102"): "RSA-MD2",
    bytes.fromhex("2a864886f70d010104"): "RSA-MD5",
    bytes.fromhex("2a864886f70d010105"): "RSA-SHA1",
    bytes.fromhex("2a864886f70d01010a"): "RSA-PSS",
    bytes.fromhex("2a864886f70d01010b"): "RSA-SHA256",
    bytes.fromhex("2a864886f70d01010c"): "RSA-SHA384",
    bytes.fromhex("2a864886f70d01010d"): "RSA-SHA512",
    bytes.fromhex("2a864886f70d01010e"): "RSA-SHA224",
    bytes.fromhex("2a8648ce380403"): "DSA-SHA1",
    bytes.fromhex("608648016503040302"): "DSA-SHA256",
    bytes.fromhex("2a8648ce3d0401"): "ECDSA-SHA1",
    bytes.fromhex("2a8648ce3d040302"): "ECDSA-SHA256",
    bytes.fromhex("2a8648ce3d040303"): "ECDSA-SHA384",
    bytes.fromhex("2a8648ce3d040304"): "ECDSA-SHA512",
    bytes.fromhex("2b6570"): "Ed25519",
    bytes.fromhex("2b6571"): "Ed448",
}

_ENCODINGS: Mapping[int, str] = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
for _name in _ENCODINGS.values():
    codecs.lookup(_name)  # a confined worker can import none

_TIME = re.compile(rb"(\d\d|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:[.,]\d*)?(?:Z|([+-])(\d\d)(\d\d))?\Z")

# More parts than any real name has, or anything else that is read here.
_MAX_PARTS = 32
_MAX_REMEMBERED = 16 * 1024

Element = tuple[int, int, int]
"""Its tag, and where its content begins and ends."""
NOTHING: Element = (0, 0, 0)


class NotReadableError(ValueError):
    """These bytes are not what they would have to be."""


def certificate(content: bytes) -> CertificateRecord:
    """The certificate that `content` begins with; what follows it is of OpenSSL's own. It has no position.

    Raises:
        NotReadableError: it begins with none.
    """
    try:
        return (_remembered if len(content) <= _MAX_REMEMBERED else _certificate)(content)
    except (IndexError, ValueError) as error:
        raise NotReadableError("it is none, or ends early") from error


def certificates_within(content: bytes) -> Iterator[bytes]:
    """Each certificate of a `signedData` of PKCS #7, as `certificate` takes it.

    Raises:
        NotReadableError: it is none.
    """
    try:
        outer = children(content, element(content, 0, SEQUENCE))
        if content_of(content, next(outer, NOTHING)) != _SIGNED_DATA:
            raise NotReadableError("no signedData")
        wrapped = next(outer, NOTHING)
        for tag, begin, end in children(content, element(content, wrapped[1], SEQUENCE)):
            if tag == FIRST:
                at = begin
                for each in children(content, (tag, begin, end)):
                    yield content[at : each[2]]
                    at = each[2]
    except IndexError as error:
        raise NotReadableError("it ends early") from error


# A distribution has each root in a file of its own and in one of all.
@lru_cache(maxsize=512)
def _remembered(content: bytes) -> CertificateRecord:
    return _certificate(content)


def _certificate(content: bytes) -> CertificateRecord:
    whole = element(content, 0, SEQUENCE)
    body, algorithm, _ = _exactly(content, whole, SEQUENCE, SEQUENCE, _BIT_STRING)
    parts = few(content, body)
    if parts and parts[0][0] == FIRST:  # the version; version 1 says none
        del parts[0]
    if [each[0] for each in parts[:6]] != [_INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]:
        raise NotReadableError("no certificate")
    _, _, issuer, validity, subject, key = parts[:6]
    not_before, not_after = (_time(content_of(content, each)) for each in _two(content, validity))
    key_algorithm, key_bits = _key(content, key)
    signature = content_of(content, next(children(content, algorithm), NOTHING))
    return CertificateRecord(
        subject=_distinguished(content, subject),
        issuer=_distinguished(content, issuer),
        not_before=not_before,
        not_after=not_after,
        self_signed=content_of(content, subject) == content_of(content, issuer),
        ca=any(_is_ca(content, each) for each in parts[6:]),
        key_algorithm=key_algorithm,
        key_bits=key_bits,
        signature_algorithm=_SIGNATURES.get(signature) or dotted(signature),
        sha256=sha256(content[: whole[2]]).hexdigest(),
    )


def element(content: bytes, at: int, expected: int = 0) -> Element:
    """The element that begins at `at`; IndexError where there is none."""
    tag, length, at = content[at], content[at + 1], at + 2
    if length >= 0x80:
        digits = length & 0x7F
        if not 1 <= digits <= 4:
            raise NotReadableError("an element of no length, or of an endless one")
        length, at = int.from_bytes(content[at : at + digits], "big"), at + digits
    if at + length > len(content) or (expected and tag != expected):
        raise NotReadableError("another element, or one that ends early")
    return tag, at, at + length


def children(content: bytes, within: Element) -> Iterator[Element]:
    _, at, end = within
    while at < end:
        child = element(content, at)
        at = child[2]
        if at > end:
            raise NotReadableError("an element beyond what it is in")
        yield child


def few(content: bytes, within: Element) -> list[Element]:
    """The first elements in it, as many as any that is read here has."""
    return list(islice(children(content, within), _MAX_PARTS))


def _exactly(content: bytes, within: Element, *tags: int) -> list[Element]:
    found = few(content, within)
    if [each[0] for each in found] != list(tags):
        raise NotReadableError("not the elements that it should have")
    return found


def _two(content: bytes, within: Element) -> tuple[Element, Element]:
    found = few(content, within)
    if len(found) != 2:
        raise NotReadableError("not two elements")
    return found[0], found[1]


def content_of(content: bytes, of: Element) -> bytes:
    return content[of[1] : of[2]]


def _distinguished(content: bytes, name: Element) -> str:
    """RFC 4514: the most particular part first."""
    parts = []
    for together in few(content, name):
        both = (_two(content, each) for each in few(content, together))
        parts.append("+".join(f"{_attribute(content_of(content, kind))}={_text(content, value)}" for kind, value in both))
    return bounded(",".join(reversed(parts)).encode("utf-8", "replace"))


def _attribute(kind: bytes) -> str:
    return _ATTRIBUTES.get(kind) or dotted(kind)


def _text(content: bytes, value: Element) -> str:
    written = bounded(content_of(content, value).decode(_ENCODINGS.get(value[0], "utf-8"), "replace").encode("utf-8", "replace"))
    return re.sub(r'([,+"\\<>;])', r"\\\1", written)


def dotted(identifier: bytes) -> str:
    """An object identifier as people write it, X.690 section 8.19; cut where no real one is longer."""
    numbers, number = [], 0
    for byte in identifier[:32]:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _time(written: bytes) -> str:
    """RFC 3339, in UTC; empty for what is no time, as a year 0. Of two digits those from 50 on are of the twentieth century."""
    found = _TIME.match(written)
    if found is None:
        return ""
    year, month, day, hour, minute = map(int, found.group(1, 2, 3, 4, 5))
    if len(found[1]) == 2:
        year += 1900 if year >= 50 else 2000
    try:
        moment = datetime(year, month, day, hour, minute, int(found[6] or 0), tzinfo=UTC)
        if found[7]:
            ahead = timedelta(hours=int(found[8]), minutes=int(found[9]))
            moment = moment - ahead if found[7] == b"+" else moment + ahead
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat().removesuffix("+00:00") + "Z"


def _key(content: bytes, key: Element) -> tuple[str, int]:
    """As `key_of` a SubjectPublicKeyInfo."""
    algorithm, value = _exactly(content, key, SEQUENCE, _BIT_STRING)
    name, size = key_of(content, algorithm)
    if name == "RSA":
        modulus = next(children(content, element(content, value[1] + 1, SEQUENCE)), NOTHING)
        return name, bit_length(content_of(content, modulus))
    return name, size


def key_of(content: bytes, algorithm: Element) -> tuple[str, int]:
    """The algorithm of a key, and how many bits it has, 0 where that is not known from what stands beside the algorithm."""
    kind, *parameters = few(content, algorithm)
    name = _KEYS.get(content_of(content, kind)) or dotted(content_of(content, kind))
    if name == "DSA" and parameters:
        return name, bit_length(content_of(content, next(children(content, parameters[0]), NOTHING)))
    if name == "EC" and parameters:
        return name, CURVES.get(content_of(content, parameters[0]), 0)
    return name, _BITS.get(name, 0)


def bit_length(number: bytes) -> int:
    digits = number.lstrip(b"\0")
    return 8 * len(digits) - 8 + digits[0].bit_length() if digits else 0


def _is_ca(content: bytes, part: Element) -> bool:
    """Whether these are extensions that let it sign others: section 4.2.1.9, whose `cA` is the first thing in it, if true."""
    if part[0] != _EXTENSIONS:
        return False
    for extension in children(content, element(content, part[1], SEQUENCE)):
        kind, *_, value = few(content, extension)
        if content_of(content, kind) == _BASIC_CONSTRAINTS and value[0] == _OCTETS:
            limits = next(children(content, element(content, value[1], SEQUENCE)), NOTHING)
            return limits[0] == 0x01 and any(content_of(content, limits))
    return False
