"""Credentials that only their name gives away: in variables, arguments of commands, and fields of documents. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from watcher.inspection.secrets.values import entropy, is_fingerprint, is_mixed, is_placeholder, is_public

# The name has to end with the word: PASSWORD_FILE, TOKEN_URL and SECRET_NAME say where something is, not what it is.
_SECRET_NAME = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|CREDENTIALS?|REQUIREPASS|MASTERAUTH"
    r"|(?:^|_)(?:PASS|PWD)"
    r"|(?:^|_)(?:ACCESS|SECRET|PRIVATE|AUTH|ENCRYPTION|SIGNING|MASTER|JWT|SESSION|HMAC)_?KEY(?:_BASE)?)[0-9]?$",
    re.IGNORECASE,
)
# Any other key may be a public one, or that of a table: its value has to look like a credential as well.
_KEY_NAME = re.compile(r"(?!.*(?:GPG|PGP|PUB|HOST|PRIMARY|SORT|CACHE|FOREIGN|FINGERPRINT)).*_KEY$", re.IGNORECASE)
# A key of any other name may be the one that signatures are checked with.
_USED_NAME = re.compile(r"(?:API|ACCESS|SECRET|PRIVATE|ENCRYPTION|MASTER|HMAC|JWT|SESSION|AUTH)_?KEY", re.IGNORECASE)
_KEY_MIN_LENGTH, _KEY_MIN_ENTROPY = 16, 3.3

# Filled in when the image runs or is built, kept elsewhere, or the name of a file that is; or an expression that finds a value.
_REFERENCE = re.compile(
    r"[$`]|\{\{|\}\}|^<.*>$|^%.*%$|^(?:/|\./|\.\./|~/|[A-Za-z]:\\)|^[A-Za-z][A-Za-z0-9+.-]*://|^(?:file|env|arn|vault|ssm|op|kms|sops):"
    r"|\.[*+]|\[\^|\\[1-9wsd(]"
)
_FILE = re.compile(
    r"[\w./-]+\.(?:key|pem|crt|cer|der|p12|pfx|jks|ks|keystore|json|ya?ml|toml|txt|env|ini|conf|cfg|properties|xml|secret|token|enc|gpg"
    r"|asc|pub|kdbx|sock|php|js|py|rb|sh)|(?:[a-z_.-][a-z0-9_.-]*/)+[a-z0-9_.-]+",
)
# Switches, such as MYSQL_RANDOM_ROOT_PASSWORD=yes, and where a value comes from.
_SWITCH = re.compile(
    r"(?:true|false|yes|no|on|off|y|n|none|null|nil|undefined|[01]|\*+|-+|\.+|enabled?|disabled?|required|optional"
    r"|file|env|environment|vault|keyring|keychain|keystore|prompt|ask|stdin|external|generated?)",
    re.IGNORECASE,
)
# Numbers with a unit, versions, names of headers and of classes: what is called a token or a key may be counted or named. People
# choose passwords like that.
_PASSWORD_NAME = re.compile(r"(?:PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|REQUIREPASS|MASTERAUTH)[0-9]?$", re.IGNORECASE)
_COUNTED = re.compile(
    r"[-+]?[0-9]{1,9}(?:\.[0-9]+)?(?:[munk]?s|m|min|h|d|[kmgt]?i?b?|%)|v?[0-9]+(?:\.[0-9]+){1,3}(?:[-+.][\w.]{1,20})?",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(r"X-[A-Za-z-]+|[a-z]+(?:\.[A-Za-z_]+){2,}|[A-Z_]+_(?:KEY|TOKEN)|https?")
_MIN_LENGTH = 3

_VALUE = r"(\"[^\"\n]{0,4000}\"|'[^'\n]{0,4000}'|[^\s;&|\"'()]{1,4000})"
_ASSIGNMENT = re.compile(rf"(?<![\w.])([A-Za-z_][\w.-]{{0,100}})={_VALUE}")
_OPTION = re.compile(rf"(?<!\S)--?([A-Za-z][\w-]{{0,100}})\s{{1,8}}(?!-){_VALUE}")
# As ENV was written once, and as `setx` is; what an image does when another is built on it is kept as it was written.
_SPACED = re.compile(rf"(?:^|\s)(?:ENV|LABEL|(?i:setx(?:\.exe)?))\s{{1,8}}([A-Za-z_][\w.-]{{0,100}})\s{{1,8}}{_VALUE}")
# Where a password has a place rather than a name: curl's user, what logs in, database clients, and the tool of /etc/shadow.
_LOGIN = r"(?:\"[\w.@-]{1,100}:([^\"\n]{1,200})\"|'[\w.@-]{1,100}:([^'\n]{1,200})'|[\w.@-]{1,100}:([^\s;&|\"'()]{1,200}))"
_PLACES = tuple(
    re.compile(pattern.replace("VALUE", _VALUE).replace("LOGIN", _LOGIN))
    for pattern in (
        r"\b(?:curl|http)\b[^\n;|&]{0,500}?\s(?:-u ?|--user[ =])LOGIN",
        r"\blogin\b[^\n;|&]{0,300}?\s-p[ =]?VALUE",
        r"\bsshpass\s{1,4}-p ?VALUE",
        r"\b(?:mysql|mysqladmin|mysqldump|mariadb|mariadb-admin|mariadb-dump)\b[^\n;|&]{0,300}?\s-p(?!rint|ort|ath|assword|rotocol|lugin)VALUE",
        r"\bredis-cli\b[^\n;|&]{0,300}?\s-a VALUE",
        r"\becho\s{1,4}(?:-e )?LOGIN\s{0,4}\|\s{0,4}(?:sudo )?chpasswd",
        r"\b(?:echo|printf)\s{1,4}(?:-n )?VALUE\s{0,4}\|[^\n;|]{0,300}--password-stdin",
    )
)

Confidence = Literal["medium", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A credential without a look of its own. `context` is the value with its name, as it was written."""

    value: str
    context: str
    confidence: Confidence


def named_value(name: str, value: str) -> Named | None:
    """The value, without quotes around it, when its name makes it a credential and it is not a path, a switch or a reference."""
    value, context = value.strip().strip("\"'"), f"{name}={value}"
    if not _is_value(value):
        return None
    name = re.sub(r"[-./ ]", "_", name)
    content = value.encode("utf-8", "replace")
    verifies = re.search("KEY[0-9]?$", name, re.IGNORECASE) and _USED_NAME.search(name) is None
    if verifies and is_fingerprint(content):
        return None
    if _PASSWORD_NAME.search(name) is None and (_COUNTED.fullmatch(value) or _IDENTIFIER.fullmatch(value)):
        return None
    if _SECRET_NAME.search(name) is None:
        random = len(content) >= _KEY_MIN_LENGTH and is_mixed(content) and entropy(content) >= _KEY_MIN_ENTROPY
        if not random or _KEY_NAME.match(name) is None:
            return None
    # In small letters it may be a fingerprint or a key as well.
    return _named(value, context, doubtful=bool(verifies) and is_fingerprint(content.upper()))


def named_values(text: str) -> Iterator[Named]:
    """Those that a command or a list of assignments has in it."""
    for match in _ASSIGNMENT.finditer(text):
        if (named := named_value(match[1], match[2])) is not None:
            yield named
    for match in _OPTION.finditer(text):
        # A key on a command line is one of many things; what is called a password is one.
        if "=" not in match[2] and (named := named_value(match[1], match[2])) is not None:
            yield named
    for match in _SPACED.finditer(text):
        if "=" not in match[2] and (named := named_value(match[1], match[2])) is not None:
            yield named
    for place in _PLACES:
        for match in place.finditer(text):
            if _is_value(value := (match[match.lastindex or 1]).strip("\"'")):
                yield _named(value, match[0])


def _is_value(value: str) -> bool:
    content = value.encode("utf-8", "replace")
    if len(content) < _MIN_LENGTH or _REFERENCE.search(value) or _FILE.fullmatch(value) or _SWITCH.fullmatch(value):
        return False
    return not is_public(content)


def _named(value: str, context: str, *, doubtful: bool = False) -> Named:
    # `changeme` is a password all the same, if the image is run as it is.
    placeholder = is_placeholder(value.encode("utf-8", "replace"), generic=True)
    return Named(value=value, context=context, confidence="low" if doubtful or placeholder else "medium")
