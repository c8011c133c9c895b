"""Credentials in an image's configuration: variables, labels, and the build steps, which hold build arguments.

None of them needs a file of the image, and none can be deleted by a later layer. Pure.
"""

import re
from collections.abc import Iterator

from watcher.inspection.secrets.rules import SecretRules
from watcher.inspection.secrets.values import entropy, is_mixed, is_placeholder
from watcher.model.errors import TooLargeError
from watcher.model.image import ImageConfig
from watcher.model.inventory import Secret, SecretHit

# Found by its name alone, so it stands beside the rules of the file.
VARIABLE_RULE = "secret-variable"
VARIABLE_TITLE = "Credential in a variable"

# Of a configuration, most is what its builder put into labels: 100 KB with buildpacks. Made to be slow, 1 MiB takes 3 seconds.
MAX_TEXT_BYTES = 1024 * 1024

# More credentials than that are a list of them; the rest would tell nobody anything new.
MAX_SECRETS = 1000

# The name has to end with the word: PASSWORD_FILE, TOKEN_URL and SECRET_NAME say where something is, not what it is.
_SECRET_NAME = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|CREDENTIALS?"
    r"|(?:^|_)(?:PASS|PWD)"
    r"|(?:^|_)(?:ACCESS|SECRET|PRIVATE|AUTH|ENCRYPTION|SIGNING|MASTER|JWT|SESSION|HMAC)_?KEY(?:_BASE)?)[0-9]?$",
    re.IGNORECASE,
)
# Any other key may be a public one, or that of a table: its value has to look like a credential as well.
_KEY_NAME = re.compile(r"(?!.*(?:GPG|PGP|PUB|HOST|PRIMARY|SORT|CACHE|FOREIGN|FINGERPRINT)).*_KEY$", re.IGNORECASE)
_KEY_MIN_LENGTH, _KEY_MIN_ENTROPY = 16, 3.3

# Filled in when the image runs or is built, or the name of a file that is.
_REFERENCE = re.compile(r"[$`]|\{\{|\}\}|^<.*>$|^%.*%$|^(?:/|\./|\.\./|~/|[A-Za-z]:\\)|^[A-Za-z][A-Za-z0-9+.-]*://|^file:")
# Switches, such as MYSQL_RANDOM_ROOT_PASSWORD=yes.
_SWITCH = re.compile(r"(?:true|false|yes|no|on|off|y|n|none|null|nil|undefined|[01]|\*+|-+|\.+)", re.IGNORECASE)
_MIN_LENGTH = 3

_ASSIGNMENT = re.compile(r"(?<![\w.])([A-Za-z_]\w{0,100})=(\"[^\"\n]{0,4000}\"|'[^'\n]{0,4000}'|[^\s;&|\"'()]{1,4000})")


def image_secrets(config: ImageConfig, rules: SecretRules) -> tuple[Secret, ...]:
    """Every credential in the configuration, each value once: in a variable rather than a label rather than a build step.

    `path` of a hit is the variable, the label, or `step N`, counted from 1 through the history. A variable is one as well when
    its name says so and its value is not a path, a switch or a reference. At most MAX_SECRETS.

    Raises:
        TooLargeError: more than MAX_TEXT_BYTES of variables, labels and steps; nothing was looked at.
    """
    texts = (*config.env, *config.labels, *config.labels.values(), *(step.created_by for step in config.history))
    if (size := sum(map(len, texts))) > MAX_TEXT_BYTES:
        raise TooLargeError(f"variables, labels and history of {size} characters: at most {MAX_TEXT_BYTES} are searched")
    found: dict[str, Secret] = {}
    for where, hit in _hits(config, rules):
        if len(found) == MAX_SECRETS:
            break
        found.setdefault(hit.fingerprint, Secret(hit=hit, where=where, layer=None, layer_digest=None))
    return tuple(found.values())


def _hits(config: ImageConfig, rules: SecretRules) -> Iterator[tuple[str, SecretHit]]:
    for variable in config.env:
        name, _, value = variable.partition("=")
        known = rules.scan_text(variable, name)
        yield from (("env", hit) for hit in known)
        if not known and (named := _named(name, value, name, rules)) is not None:
            yield "env", named
    for label, text in config.labels.items():
        yield from (("label", hit) for hit in rules.scan_text(f"{label}={text}", label))
    for number, step in enumerate(config.history, 1):
        place = f"step {number}"
        yield from (("history", hit) for hit in rules.scan_text(step.created_by, place))
        for match in _ASSIGNMENT.finditer(step.created_by):
            named = _named(match[1], match[2].strip("\"'"), place, rules)
            # A value that a rule knows has been reported by it, with the same step.
            if named is not None and not rules.scan_text(match[0], place):
                yield "history", named


def _named(name: str, value: str, path: str, rules: SecretRules) -> SecretHit | None:
    """A hit for a value that only its name gives away."""
    value = value.strip().strip("\"'")
    content = value.encode("utf-8", "replace")
    if len(content) < _MIN_LENGTH or _REFERENCE.search(value) or _SWITCH.fullmatch(value):
        return None
    if _SECRET_NAME.search(name) is None:
        random = len(content) >= _KEY_MIN_LENGTH and is_mixed(content) and entropy(content) >= _KEY_MIN_ENTROPY
        if not random or _KEY_NAME.match(name) is None:
            return None
    return SecretHit(
        rule=VARIABLE_RULE,
        title=VARIABLE_TITLE,
        path=path,
        line=None,
        fingerprint=rules.fingerprint(content),
        preview="",
        # `changeme` is a password all the same, if the image is run as it is.
        confidence="low" if is_placeholder(content, generic=True) else "medium",
    )
