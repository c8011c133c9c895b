"""Keys as far as it may be told of them: that one is there, of what kind and size. Nothing of a key itself is kept.

Spec: RFC 7468 sections 10, 11 and 13, RFC 8017 appendix A.1, RFC 5915, RFC 5958; OpenSSH PROTOCOL.key, RFC 4253 section 6.6;
RFC 7292 for PKCS #12.
"""

import base64
import re
from collections.abc import Iterator, Mapping

from watcher.inspection.catalogers.x509_der import (
    CURVES,
    FIRST,
    NOTHING,
    SEQUENCE,
    NotReadableError,
    bit_length,
    children,
    content_of,
    element,
    few,
    key_of,
)
from watcher.model.certificates import KeyRecord

PRIVATE, PUBLIC, AUTHORIZED, KEYSTORE = "private", "public", "authorized", "keystore"

_PRIVATE: Mapping[bytes, str] = {
    b"PRIVATE KEY": "",
    b"ENCRYPTED PRIVATE KEY": "",
    b"OPENSSH PRIVATE KEY": "",
    b"RSA PRIVATE KEY": "RSA",
    b"DSA PRIVATE KEY": "DSA",
    b"EC PRIVATE KEY": "EC",
}
_PUBLIC: Mapping[bytes, str] = {b"PUBLIC KEY": "", b"RSA PUBLIC KEY": "RSA"}
LABELS = frozenset({*_PRIVATE, *_PUBLIC})

_OPENSSH = b"openssh-key-v1\0"
_SSH: Mapping[bytes, tuple[str, int]] = {
    b"ssh-rsa": ("RSA", 0),
    b"ssh-dss": ("DSA", 0),
    b"ssh-ed25519": ("Ed25519", 256),
    b"ecdsa-sha2-nistp256": ("EC", 256),
    b"ecdsa-sha2-nistp384": ("EC", 384),
    b"ecdsa-sha2-nistp521": ("EC", 521),
    b"sk-ssh-ed25519@openssh.com": ("Ed25519", 256),
    b"sk-ecdsa-sha2-nistp256@openssh.com": ("EC", 256),
}
# Before it may stand options, in quotes whatever they like.
_SSH_LINE = re.compile(
    rb"^(?![ \t]*#)[^\n]*?(?<![^\s])(" + b"|".join(map(re.escape, _SSH)) + rb")[ \t]+([A-Za-z0-9+/=]{16,})", re.MULTILINE
)

_JKS, _JCEKS = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"
# PFX ::= SEQUENCE { version INTEGER 3, …
_PFX = re.compile(rb"\x30(?:[\x81-\x84].{1,4}?|.)\x02\x01\x03\x30", re.DOTALL)


def key_in(label: bytes, body: bytes) -> KeyRecord:
    """What a block of PEM with one of LABELS says; `body` is what stands between its two lines."""
    headers, blank, text = body.replace(b"\r", b"").partition(b"\n\n")
    if b":" not in headers or not blank:
        headers, text = b"", body
    encrypted = label.startswith(b"ENCRYPTED") or b"ENCRYPTED" in headers
    kind = PRIVATE if label in _PRIVATE else PUBLIC
    algorithm, bits = _PRIVATE.get(label) or _PUBLIC.get(label, ""), 0
    if not encrypted:
        try:
            content = base64.b64decode(text)
            if label == b"OPENSSH PRIVATE KEY":
                algorithm, bits, encrypted = _of_openssh(content)
            else:
                algorithm, bits = _told(label, content)
        except (NotReadableError, IndexError, ValueError):
            pass  # a key all the same, to whoever can read it
    return KeyRecord(kind=kind, algorithm=algorithm, bits=bits, encrypted=encrypted)


def ssh_keys(content: bytes, kind: str) -> Iterator[KeyRecord]:
    """Those of public keys of OpenSSH, one a line."""
    for line in content.split(b"\n"):
        if found := _SSH_LINE.match(line):
            try:
                algorithm, bits = _of_ssh(base64.b64decode(found[2]))
            except (IndexError, ValueError):
                algorithm, bits = _SSH[found[1]]
            yield KeyRecord(kind=kind, algorithm=algorithm, bits=bits)


def is_keystore(content: bytes) -> bool:
    """Whether it is one of Java's, or a PKCS #12."""
    return content.startswith((_JKS, _JCEKS)) or _PFX.match(content) is not None


def _told(label: bytes, content: bytes) -> tuple[str, int]:
    parts = few(content, element(content, 0, SEQUENCE))
    match label:
        case b"PRIVATE KEY":
            algorithm, size = key_of(content, parts[1])
            inner = content_of(content, parts[2])
            return algorithm, _modulus(inner, few(inner, element(inner, 0, SEQUENCE))[1:]) if algorithm == "RSA" else size
        case b"PUBLIC KEY":
            algorithm, size = key_of(content, parts[0])
            inner = content_of(content, parts[1])[1:]
            return algorithm, _modulus(inner, few(inner, element(inner, 0, SEQUENCE))) if algorithm == "RSA" else size
        case b"RSA PUBLIC KEY":
            return "RSA", _modulus(content, parts)
        case b"EC PRIVATE KEY":
            curve = next((next(children(content, each), NOTHING) for each in parts if each[0] == FIRST), NOTHING)
            return "EC", CURVES.get(content_of(content, curve), 0)
        case _:  # RSA and DSA: a version, then what their size is of
            return label[:3].decode(), _modulus(content, parts[1:])


def _modulus(content: bytes, numbers: list[tuple[int, int, int]]) -> int:
    return bit_length(content_of(content, numbers[0]))


def _of_openssh(content: bytes) -> tuple[str, int, bool]:
    """Algorithm, bits, and whether it is encrypted; the public key stands before the private one."""
    if not content.startswith(_OPENSSH):
        raise NotReadableError("no key of OpenSSH")
    cipher, at = _ssh_text(content, len(_OPENSSH))
    for _ in range(2):  # how a passphrase makes a key, and with what
        _, at = _ssh_text(content, at)
    public, _ = _ssh_text(content, at + 4)
    return *_of_ssh(public), cipher != b"none"


def _of_ssh(content: bytes) -> tuple[str, int]:
    """Of a public key: its name, then what it is made of, each with its length before it."""
    name, at = _ssh_text(content, 0)
    algorithm, bits = _SSH.get(name, ("", 0))
    if algorithm == "RSA":  # the exponent comes first
        _, at = _ssh_text(content, at)
    if algorithm in {"RSA", "DSA"}:
        bits = bit_length(_ssh_text(content, at)[0])
    return algorithm, bits


def _ssh_text(content: bytes, at: int) -> tuple[bytes, int]:
    end = at + 4 + int.from_bytes(content[at : at + 4], "big")
    if end > len(content):
        raise NotReadableError("it ends early")
    return content[at + 4 : end], end
