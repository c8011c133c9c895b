"""Whether a text that looks like a credential can be one, judged by itself and by the place it was found in. Pure."""

import base64
import binascii
import hashlib
import math
import re
from collections import Counter
from collections.abc import Collection

import msgspec

# What stands where a value is to be filled in, in the notations of shells, templates and people.
_PLACEHOLDER = re.compile(
    rb"\$\{|\$\(|\{\{|\}\}|<%|%>|#\{|%\(|\$[A-Za-z_]|%[A-Z_]{3,}%|^<[^>]*>$|^\{[\w.-]*\}$|^%[sdvq]$"
    rb"|[xX]{4,}|\*{3}|\.{3}|_{4,}|(.)\1{7}"
    rb"|your[-_ ]?|change[-_ ]?(?:me|it|this)|replace[-_ ]?(?:me|this|with)"
    rb"|placeholder|redacted|dummy|insert[-_ ]|not[-_ ]?(?:a[-_ ])?real"
    rb"|foo[-_]?bar|my[-_ ]?(?:secret|token|password|pass|api)|123456789|abcdefgh|qwerty|deadbeef|password|passw0rd|secret|^tiger"
    rb"|^(?:user|pass|passwd|pwd|pw|token|key|auth|test|testing|tests?123|admin|root|guest|none|null|nil|true|false|undefined|string|xxx)$",
    re.IGNORECASE,
)

# `variable-2`, `sha256`: a name that happens to hold a number.
_NUMBERED_NAME = re.compile(rb"[a-z]+(?:[-_.][a-z]+)*[-_.]?[0-9]{1,3}", re.IGNORECASE)

# In a token of a known form, words occur by chance or as its prefix; only what cannot be chance counts.
_TYPED_PLACEHOLDER = re.compile(
    rb"\$\{|\{\{|[xX]{6,}|\*{4}|(.)\1{9}|your[-_]|placeholder|redacted|0123456789|abcdefghij", re.IGNORECASE
)

# Published by their makers for documentation and emulators: AWS writes EXAMPLE into its own, the others are listed whole.
_DOCUMENTED = re.compile(
    rb"EXAMPLE"
    rb"|Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"  # the Azure storage emulator
    rb"|C2y6yDjf5/R\+ob0N8A7Cgv30VRDJIWEHLM\+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw"  # the Cosmos DB emulator
    rb"|7Fjfp0ZBr1KtDRbnfVdmIw|gX1fBat3bV"  # RFC 6749
    rb"|SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c|TJVA95OrM7E2cBab30RMHrHDcEfxjoYZgeFONFh7HgQ",  # jwt.io
    re.IGNORECASE,
)

# What anybody may know: public keys and certificates in their usual wrappings, and hashes that say so.
_PUBLIC = re.compile(
    rb"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S{1,40}|sk-\S{1,60}@openssh\.com) .*|AAAA[BCE]3NzaC1.*|AAAAE2VjZHNhLXNoYTIt.*"
    rb"|-----BEGIN (?:[A-Z ]{0,20}PUBLIC KEY|(?:TRUSTED )?CERTIFICATE)[ -].*"
    rb"|LS0tLS1CRUdJTi(?:BQVUJMSUMg|BSU0EgUFVCTElD|BDRVJUSUZJQ0FUR|BQR1AgUFVCTElD).*"
    rb"|M(?:IIBIjANBgkqhkiG9w0BAQ|IGfMA0GCSqGSIb3DQEBAQ|IICIjANBgkqhkiG9w0BAQ|FkwEwYHKoZIzj0CAQ|HYwEAYHKoZIzj0CAQ|CowBQYDK2Vw).*"
    rb"|RW[QRS][A-Za-z0-9+/]{53}|age1[02-9ac-hj-np-z]{58}|pk_(?:live|test)_\w+"
    rb"|(?:(?:[0-9A-Fa-f]{2}:){15,63}[0-9A-Fa-f]{2}[,\s]*)+"
    rb"|(?:SHA|sha|MD|md)-?(?:1|224|256|384|512|5)[:-].*",
    re.DOTALL,
)
# Of OpenPGP keys: whole, in groups of four, or the id at its end. In capitals, as gpg and those who publish them write them.
_FINGERPRINTS = re.compile(
    rb"(?:(?:0x)?(?:[0-9A-F]{40}|(?:[0-9A-F]{4} {1,2}){9}[0-9A-F]{4}|[0-9A-F]{16}|[0-9A-F]{8})(?:[,\s]+|\Z))+"
)

_EXAMPLE_PATH = re.compile(
    r"(?:^|/)(?:tests?|testing|test[-_]?data|test[-_]?(?:certs|keys|suite)|__tests__|specs?|fixtures?|examples?|samples?|demos?|docs?"
    r"|documentation|man|mocks?|snapshots?|benchmarks?|tutorials?)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*[._-](?:test|spec|tests)\.\w+|README[^/]*|CHANGE[^/]*|NEWS[^/]*|METADATA|PKG-INFO|[^/]*\.(?:md|rst|adoc|html?|pod|example|sample|tmpl|template))$",
    re.IGNORECASE,
)

# What a package manager put there is public, whoever made it.
_PACKAGE_PATH = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages|node_modules|gems|pkg/mod|\.m2/repository)/|^usr/(?:share|lib|include|src)/"
)

# Keys with which a library tests itself when it starts, compiled into it: sha256 of what `unwrapped` gives, first 16 digits.
SELF_TEST_KEYS = frozenset(
    {
        # gnutls, lib/crypto-selftests-pk.c: RSA, DSA, EC, GOST R 34.10 of 2001 and 2012
        "bf552d2ff30b20f0",
        "cadf1e62661d5d21",
        "6d03bbf47115fad0",
        "24a2416c5abbb673",
        "1d5b6f0308536dc6",
        "409a9b91b09a6966",
    }
)

_LETTER, _DIGIT = re.compile(rb"[A-Za-z]"), re.compile(rb"[0-9]")

# As much of a key as lies in the window behind its first line; shorter keys are whole.
PEM_CHARACTERS, MIN_PEM_CHARACTERS = 512, 40
_PEM_NOISE = re.compile(rb"\\+[nrt]|[\s\"',\\]+")
_PEM_LINE = re.compile(rb"[A-Za-z0-9+/=]{40}")


def entropy(value: bytes) -> float:
    """Shannon entropy in bits a character."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values()) if total else 0.0


def is_placeholder(value: bytes, *, generic: bool) -> bool:
    """Whether the value only stands where one is to be put. `generic`: it has no form of its own, so words count."""
    return (_PLACEHOLDER if generic else _TYPED_PLACEHOLDER).search(value) is not None


def is_public(value: bytes) -> bool:
    """Whether it is the public half of something, or a hash, by its look."""
    return _PUBLIC.fullmatch(value) is not None


def is_fingerprint(value: bytes) -> bool:
    """Whether it is that of an OpenPGP key, or several; some keys that must be kept look like that, so the name has to fit."""
    return _FINGERPRINTS.fullmatch(value) is not None


def is_documented(value: bytes) -> bool:
    """Whether everybody knows the value, from the documentation or the emulator it was made for."""
    return _DOCUMENTED.search(value) is not None


def is_example_path(path: str) -> bool:
    """Whether the file is documentation, a test or an example, where credentials are often made up. They need not be."""
    return _EXAMPLE_PATH.search(path) is not None


def is_package_path(path: str) -> bool:
    """Whether a package manager keeps its packages there."""
    return _PACKAGE_PATH.search(path) is not None


def is_self_test_key(value: bytes, known: Collection[str]) -> bool:
    """Whether it is the key of a library's self-test, which is in every copy of that library."""
    return hashlib.sha256(value).hexdigest()[:16] in known


def is_mixed(value: bytes) -> bool:
    """Whether it has letters and digits, and is not just a name with a number after it."""
    return _LETTER.search(value) is not None and _DIGIT.search(value) is not None and _NUMBERED_NAME.fullmatch(value) is None


def unwrapped(value: bytes, form: str) -> bytes | None:
    """The credential itself out of what the expression matched, None when it is not of that form.

    `pem`: the base64 text without line breaks, quotes and escapes, its first PEM_CHARACTERS, so that a key has one fingerprint
    however it was written. `basic-auth`: the password of base64 `user:password`. `jwt`: itself, when its header is one.
    """
    if form == "pem":
        text = _PEM_NOISE.sub(b"", value)[:PEM_CHARACTERS]
        return text if len(text) >= MIN_PEM_CHARACTERS and _PEM_LINE.search(value) else None
    if form == "basic-auth":
        user, _, password = (_base64(value) or b"").partition(b":")
        return (
            password
            if user.isascii() and password.isascii() and len(password) >= 4 and password.decode("ascii").isprintable()
            else None
        )
    if form == "jwt":
        try:
            header = msgspec.json.decode(_base64(value.partition(b".")[0]) or b"")
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return value if isinstance(header, dict) and isinstance(header.get("alg"), str) and header["alg"] != "none" else None
    return value


def _base64(text: bytes) -> bytes | None:
    """Base64 of either alphabet, padded or not."""
    body = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        return None
