"""What becomes of a hit: its confidence, its fingerprint, and the places where nothing is reported."""

import hashlib
import random
import re

import msgspec
import pytest

from watcher.inspection.secrets.rules import SecretRules, read_rules
from watcher.inspection.secrets.values import entropy, is_documented, is_example_path, is_package_path, is_placeholder, unwrapped
from watcher.model.errors import ConfigurationError

RULES = SecretRules.load(b"salt")
NUMBERS = {rule.id: number for number, rule in enumerate(RULES.rules)}
AWS = "AKIA" + "Q7ZL2M4XWP6TR3VN"
DOCUMENTED = "AKIA" + "IOSFODNN7" + "EXAMPLE"


def judged(rule: str, path: str, text: str, *, line: int | None = 1) -> str | None:
    hit = RULES.judge(NUMBERS[rule], path, text.encode(), len(text), line)
    return hit.confidence if hit else None


def pem(seed: int) -> str:
    body = "".join(random.Random(seed).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=640))
    return "-----BEGIN " + "PRIVATE KEY-----\n" + "\n".join(body[first : first + 64] for first in range(0, 640, 64))


@pytest.mark.parametrize(
    "path", ["srv/docs/aws.md", "app/tests/keys.py", "app/test_keys.py", "app/x.spec.ts", "README.md", "a/.env.example"]
)
def test_documentation_and_tests_lower_confidence(path: str) -> None:
    """A key there is often made up, but need not be: it is reported all the same."""
    assert judged("aws-access-key-id", path, AWS) == "medium"
    assert judged("private-key", path, pem(1)[:37]) is None
    hit = RULES.judge(NUMBERS["private-key"], path, pem(1).encode(), 27, 1)
    assert hit is not None
    assert hit.confidence == "low"


@pytest.mark.parametrize("path", ["root/.aws/credentials", "latest/x", "app/documents/x.ini", "srv/protest/a", "etc/manual.conf"])
def test_other_places_do_not(path: str) -> None:
    """Parts of words are no directories of tests."""
    assert judged("aws-access-key-id", path, AWS) == "high"


def test_a_documentation_key_is_low_anywhere() -> None:
    """AWS writes EXAMPLE into the keys of its documentation, so that everybody knows them."""
    assert judged("aws-access-key-id", "root/.aws/credentials", DOCUMENTED) == "low"


def test_generic_values_in_installed_packages_are_low() -> None:
    """Published code is full of addresses with made-up passwords."""
    text = "redis://u:k9xQ2b7@h"
    assert judged("url-password", "srv/app/settings.py", text) == "medium"
    assert judged("url-password", "venv/lib/python3.11/site-packages/x/y.py", text) == "low"


def test_a_fingerprint_of_a_signing_key_is_public() -> None:
    """Beside another name it may be the secret itself."""
    fingerprint = "52BB7E3DE28A71BE22EC05FFEF80A866B47A981F"
    assert judged("config-password", "etc/app.env", f"SIGNING_KEY={fingerprint}") is None
    assert judged("config-password", "etc/app.env", f"ACCESS_KEY={fingerprint}") == "medium"
    assert judged("config-password", "etc/app.env", f"token: sha256:{fingerprint}") is None


@pytest.mark.parametrize("text", ['publicKeyToken="1fc8b3b9a1e18e3b"', '"encryptionKey": "encryptionKey1024"'])
def test_a_name_with_a_number_and_a_public_key_are_no_secrets(text: str) -> None:
    """An assembly of .NET calls its public key a token, and fields are named after what they hold."""
    assert judged("password-assignment", "srv/app/x.config", text) is None


def test_a_published_authorization_header_is_low() -> None:
    """Libraries have those of the specification in their documentation."""
    text = "Authorization: Basic czZCaGRSa3F0MzpRMnprOXhXNHZU"
    assert judged("basic-authorization", "app/.git/config", text) == "high"
    assert judged("basic-authorization", "usr/lib/python3/dist-packages/oauthlib/x.py", text) == "low"
    assert judged("basic-authorization", "srv/a.py", "Authorization: Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3") == "low"


def test_a_rule_for_certain_files_leaves_others_alone() -> None:
    """Unquoted assignments are values in a configuration, and expressions in a program."""
    text = "\ndb_password = k9xQ2b7Lm3"
    assert judged("config-password", "etc/app.ini", text) == "medium"
    assert judged("config-password", "srv/app.py", text) is None
    quoted = "api_key = 'k9xQ2b7Lm3'"
    assert judged("password-assignment", "srv/app.py", quoted) == "medium"
    assert judged("password-assignment", "venv/lib/python3.11/site-packages/app.py", quoted) is None


def test_the_self_test_key_of_a_library_is_none() -> None:
    """It is in every copy of the library; the same key in a text file would be one that somebody uses."""
    value = unwrapped(pem(2).partition("\n")[2].encode(), "pem")
    assert value is not None
    rules = SecretRules(RULES.rules, b"salt", self_test_keys={hashlib.sha256(value).hexdigest()[:16]})
    assert rules.judge(NUMBERS["private-key"], "usr/lib/libtls.so.3", pem(2).encode(), 27, None) is None
    assert rules.judge(NUMBERS["private-key"], "etc/tls.key", pem(2).encode(), 27, 1) is not None


def test_a_key_has_one_fingerprint_however_it_is_written() -> None:
    """The same key in a file, in JSON and indented in YAML; another key has another one."""

    def fingerprint(text: str) -> str:
        hit = RULES.judge(NUMBERS["private-key"], "x", text.encode(), text.index("KEY-----") + 8, 1)
        assert hit is not None
        return hit.fingerprint

    plain = fingerprint(pem(3))
    assert fingerprint(pem(3).replace("\n", "\\n")) == plain
    assert fingerprint(pem(3).replace("\n", "\n      ")) == plain
    assert fingerprint(pem(3).replace("\n", "\r\n")) == plain
    assert fingerprint(pem(4)) != plain


def test_the_salt_decides_the_fingerprint() -> None:
    """Two deployments cannot compare what they found, and nobody can try values without the salt."""
    assert RULES.fingerprint(b"x") == SecretRules.load(b"salt").fingerprint(b"x")
    assert RULES.fingerprint(b"x") != SecretRules.load(b"other").fingerprint(b"x")
    assert re.fullmatch(r"[0-9a-f]{16}", RULES.fingerprint(b"x"))


def test_the_line_is_that_of_the_value() -> None:
    """The end of a hit may lie a line before it, as the head of a key does."""
    hit = RULES.judge(NUMBERS["private-key"], "x", pem(5).encode(), 27, 10)
    assert hit is not None
    assert hit.line == 11
    token = f"{AWS}\n\n"
    later = RULES.judge(NUMBERS["aws-access-key-id"], "x", token.encode(), 20, 4)
    assert later is not None
    assert later.line == 4


@pytest.mark.parametrize(
    "value",
    [
        "${AWS_SECRET}",
        "your-api-key-here",
        "xxxxxxxx",
        "changeme",
        "$PASSWORD",
        "{{ password }}",
        "<token>",
        "********",
        "%(password)s",
        "aaaaaaaaa",
        "%s",
    ],
)
def test_placeholders(value: str) -> None:
    """What stands where a value is to be put, in the notations of shells, templates and people."""
    assert is_placeholder(value.encode(), generic=True)


@pytest.mark.parametrize("value", ["hunter2-prod", "s3cr3tpw9", "k9xQ2b7Lm3", "Zufall.99!"])
def test_bad_passwords_are_no_placeholders(value: str) -> None:
    """They are secrets, if bad ones."""
    assert not is_placeholder(value.encode(), generic=True)


def test_words_are_chance_in_a_long_token() -> None:
    """A random token may hold `pass` or `key`; ten equal characters it cannot."""
    assert not is_placeholder(b"ghp_9tokenSecretPassQ3x8vB2mZ7LwRkT5yU1", generic=False)
    assert is_placeholder(b"ghp_" + b"x" * 36, generic=False)


def test_entropy_is_bits_a_character() -> None:
    """Nothing has none; sixteen different characters have four bits."""
    assert entropy(b"") == 0
    assert entropy(b"aaaa") == 0
    assert entropy(b"0123456789abcdef") == pytest.approx(4)


def test_paths_of_packages() -> None:
    """Where a package manager puts things, and nowhere else."""
    assert is_package_path("srv/node_modules/a/b.js")
    assert is_package_path("usr/share/x")
    assert not is_package_path("srv/usr/share/x")
    assert not is_example_path("srv/app/main.py")
    assert not is_documented(AWS.encode())


def test_a_damaged_rule_is_a_configuration_error() -> None:
    """With the place in the file, for whoever edits it."""
    with pytest.raises(ConfigurationError, match=r"secrets/rules\.yaml:1:\d.*title"):
        read_rules("- {id: x}\n", "secrets/rules.yaml")


def test_categories_agree_with_the_ids_that_the_baseline_pack_asks_for() -> None:
    """The pack fails on ids that begin with `aws-` and on those with `private-key` in them."""
    for rule in RULES.rules:
        assert (rule.category == "aws") == rule.id.startswith("aws-")
        assert (rule.category == "private-key") == ("private-key" in rule.id)


def test_rules_are_immutable_and_their_keywords_lower_case() -> None:
    """Texts are compared in lower case; a keyword in capitals would never be found."""
    assert all(keyword == keyword.lower() and keyword for rule in RULES.rules for keyword in rule.keywords)
    assert len(NUMBERS) == len(RULES.rules)
    with pytest.raises(AttributeError):
        RULES.rules[0].id = "x"  # type: ignore[misc]
    assert msgspec.to_builtins(RULES.rules[0])["category"] == "aws"
