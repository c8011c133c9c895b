"""Each rule finds its kind of credential and passes over what only looks like it.

Samples are put together when the tests run, so that no scanner flags this repository.
"""

import base64
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass

import hyperscan
import pytest

from watcher.inspection.expressions import compiled
from watcher.inspection.secrets.rules import WINDOW_AFTER_BYTES, WINDOW_BEFORE_BYTES, SecretRules
from watcher.model.inventory import SecretHit

RULES = SecretRules.load(b"salt of the tests")
NUMBERS = {rule.id: number for number, rule in enumerate(RULES.rules)}

_random = random.Random(20251125)
ALNUM = string.ascii_letters + string.digits


def some(count: int, alphabet: str = ALNUM) -> str:
    """Random characters, with a letter and a digit among the first where the alphabet has both."""
    first = "".join(kind for kind in ("a7", "Q") if set(kind) <= set(alphabet))[:count]
    return first + "".join(_random.choice(alphabet) for _ in range(count - len(first)))


def hexadecimal(count: int) -> str:
    return some(count, "0123456789abcdef")


def upper(count: int) -> str:
    return some(count, string.ascii_uppercase + string.digits)


def digits(count: int) -> str:
    return "".join(_random.choice("123456789") for _ in range(count))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def jwt(header: object) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, {"sub": some(8)}))
    return ".".join((*parts, some(20)))


def pem(label: str, body: str, *headers: str) -> str:
    lines = [body[first : first + 64] for first in range(0, len(body), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *headers, *lines, f"-----END {label}-----", ""))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`text` holds `value`, the shortest there is of its kind; `miss` is something of almost the same look."""

    rule: str
    value: str
    text: str
    miss: str
    path: str = "srv/app/settings.txt"


def token(rule: str, value: str, text: str = "key: {}\n", path: str = "srv/app/settings.txt") -> Sample:
    """A near miss of a token is one that lacks its last character."""
    return Sample(rule=rule, value=value, text=text.format(value), miss=text.format(value[:-1]), path=path)


key_body, openssh = some(1500, ALNUM + "+/"), "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU" + some(300)
locked = "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHI" + some(300)
basic, word, plain = some(12), some(8), some(43, ALNUM + "+/")

SAMPLES = [
    token("aws-access-key-id", "AKIA" + upper(16)),
    token("aws-access-key-id", "ASIA" + upper(16)),
    token("aws-secret-access-key", some(40, ALNUM + "+/"), "[default]\naws_secret_access_key = {}\n"),
    token("aws-secret-access-key", some(40, ALNUM + "+/"), '{{"accessKeyId": "AKIA' + upper(16) + '", "secretAccessKey": "{}"}}'),
    Sample(
        rule="private-key", value=key_body[:512], text=pem("RSA PRIVATE KEY", key_body), miss=pem("RSA PRIVATE KEY", key_body[:40])
    ),
    Sample(
        rule="private-key",
        value=key_body[:512],
        text=json.dumps({"key": pem("PRIVATE KEY", key_body)}),
        miss=pem("PUBLIC KEY", key_body),
    ),
    Sample(rule="private-key", value=key_body[:164], text=pem("EC PRIVATE KEY", key_body[:164]), miss=pem("CERTIFICATE", key_body)),
    Sample(
        rule="private-key",
        value=openssh,
        text=pem("OPENSSH PRIVATE KEY", openssh),
        miss="-----BEGIN OPENSSH PRIVATE KEY-----\n...\n",
    ),
    Sample(
        rule="private-key",
        value=key_body[:512],
        text=pem("PGP PRIVATE KEY BLOCK", key_body, "Version: GnuPG v2", ""),
        miss=pem("PGP PUBLIC KEY BLOCK", key_body),
    ),
    Sample(
        rule="encrypted-private-key",
        value=key_body[:512],
        text=pem("RSA PRIVATE KEY", key_body, "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC," + upper(32), ""),
        miss=pem("RSA PRIVATE KEY", key_body),
    ),
    Sample(
        rule="encrypted-private-key",
        value=key_body[:512],
        text=pem("ENCRYPTED PRIVATE KEY", key_body),
        miss=pem("PRIVATE KEY", key_body),
    ),
    Sample(
        rule="encrypted-private-key",
        value=locked,
        text=pem("OPENSSH PRIVATE KEY", locked),
        miss=pem("OPENSSH PRIVATE KEY", openssh),
    ),
    Sample(
        rule="putty-private-key",
        value=key_body[:64],
        text=f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n{key_body[:64]}\nPrivate-MAC: 0\n",
        miss=f"Private-Lines: 1\n{key_body[:64]}\n",
    ),
    token("age-private-key", "AGE-SECRET-KEY-1" + upper(58)),
    token("github-token", "ghp_" + some(36)),
    token("github-token", "ghs_" + some(36)),
    token("github-fine-grained-token", "github_pat_" + some(22) + "_" + some(59)),
    token("gitlab-token", "glpat-" + some(20)),
    token("gitlab-token", "glrt-" + some(20)),
    token("slack-token", "xoxb-" + digits(12) + "-" + some(12)),
    token("slack-webhook", "https://hooks.slack.com/services/T" + upper(8) + "/B" + upper(8) + "/" + some(16)),
    token("stripe-key", "sk_live_" + some(16)),
    token("google-api-key", "AIza" + some(35)),
    token("google-oauth-secret", "GOCSPX-" + some(28)),
    token("gcp-service-account", hexadecimal(40), '{{"type": "service_account", "private_key_id": "{}"}}'),
    token("azure-storage-key", some(86, ALNUM + "+/") + "==", "AccountName=a;AccountKey={};EndpointSuffix=core.windows.net"),
    token("azure-storage-key", some(43, ALNUM + "+/") + "=", "Endpoint=sb://a;SharedAccessKey={}"),
    token("azure-client-secret", some(3) + "8Q~" + some(31)),
    token("npm-token", "npm_" + some(36)),
    Sample(
        rule="npmrc-auth",
        value=word,
        text=f"//npm.internal/:_authToken={word}\n",
        miss="//npm.internal/:_authToken=${NPM_TOKEN}\n",
        path="root/.npmrc",
    ),
    token("pypi-token", "pypi-AgEIcHlwaS5vcmc" + some(40)),
    token("rubygems-key", "rubygems_" + hexadecimal(48)),
    token("crates-token", "cio" + some(32), '[registry]\ntoken = "{}"\n', "root/.cargo/credentials.toml"),
    Sample(
        rule="docker-auth",
        value=basic,
        text=json.dumps({"auths": {"r.example.com": {"auth": b64(f"me:{basic}".encode())}}}),
        miss=json.dumps({"auths": {"r.example.com": {"auth": b64(b"no colon in here")}}}),
        path="root/.docker/config.json",
    ),
    token("docker-token", "dckr_pat_" + some(27)),
    Sample(
        rule="basic-authorization",
        value=basic,
        text='[http "https://git.internal/"] extraheader = AUTHORIZATION: basic ' + b64(f"x-access-token:{basic}".encode()) + "\n",
        miss="Authorization: Basic " + b64(b"no colon in here"),
        path="app/.git/config",
    ),
    Sample(
        rule="bearer-authorization",
        value=(bearer := some(24)),
        text=f'{{"headers": {{"Authorization": "Bearer {bearer}"}}}}',
        miss="Authorization: Bearer ${SERVICE_TOKEN_1}",
    ),
    Sample(
        rule="jwt",
        value=(good := jwt({"alg": "HS256", "typ": "JWT"})),
        text=f"session={good}\n",
        miss="session=" + jwt({"typ": "JWT", "kid": 1}),
    ),
    token("sendgrid-key", "SG." + some(22) + "." + some(43)),
    token("mailgun-key", "key-" + hexadecimal(32), "mailgun: {}\n"),
    token("mailchimp-key", hexadecimal(32) + "-us1", "mailchimp: {}\n"),
    token("twilio-key", "SK" + hexadecimal(32), "twilio: {}\n"),
    token("telegram-bot-token", digits(9) + ":AA" + some(33)),
    token("discord-webhook", "https://discord.com/api/webhooks/" + digits(18) + "/" + some(60)),
    token(
        "teams-webhook",
        f"https://x.webhook.office.com/webhookb2/{hexadecimal(36)}@{hexadecimal(36)}/IncomingWebhook/{hexadecimal(32)}/{hexadecimal(36)}",
    ),
    token("openai-key", "sk-" + some(20) + "T3BlbkFJ" + some(20)),
    token("openai-key", "sk-proj-" + some(40)),
    token("anthropic-key", "sk-ant-api03-" + some(60)),
    token("groq-key", "gsk_" + some(52)),
    token("huggingface-token", "hf_" + some(34)),
    token("digitalocean-token", "dop_v1_" + hexadecimal(64)),
    token("databricks-token", "dapi" + hexadecimal(32)),
    token("shopify-token", "shpat_" + hexadecimal(32)),
    token("square-token", "sq0atp-" + some(22)),
    token("vault-token", "hvs." + some(24)),
    token("terraform-cloud-token", some(14) + ".atlasv1." + some(60)),
    token("pulumi-token", "pul-" + hexadecimal(40)),
    token("doppler-token", "dp.pt." + some(40)),
    token("newrelic-key", "NRAK-" + upper(27)),
    token("grafana-token", "glsa_" + some(32) + "_" + hexadecimal(8)),
    token("sentry-token", "sntryu_" + hexadecimal(64)),
    token("atlassian-token", "ATATT3" + some(180)),
    token("artifactory-key", "AKCp" + some(69)),
    token("postman-key", "PMAK-" + hexadecimal(24) + "-" + hexadecimal(34)),
    token("linear-key", "lin_api_" + some(40)),
    token("tailscale-key", "tskey-auth-" + some(12) + "-" + some(20)),
    token("planetscale-token", "pscale_tkn_" + some(32)),
    Sample(
        rule="url-password",
        value=word,
        text=f"DB=postgres://app:{word}@db/app\n",
        miss="DB=postgres://app:app@db/app\nX=http://a:${PW}@b\n",
    ),
    Sample(
        rule="netrc",
        value=word,
        text=f"machine git.internal\n  login me\n  password {word}\n",
        miss="machine git.internal login me password changeme\n",
        path="root/.netrc",
    ),
    Sample(
        rule="password-assignment",
        value=basic,
        text=f"config.api_key = '{basic}';\n",
        miss="config.api_key = 'your-api-key-here';\n",
        path="srv/a.js",
    ),
    Sample(
        rule="config-password",
        value=basic,
        text=f"user = app\ndb_password = {basic}\n",
        miss="user = app\ndb_password = ${DB_PASSWORD}\nsecret = sha256\ntoken = xxxxxxxx1\n",
        path="etc/app.ini",
    ),
]


@pytest.fixture(scope="module")
def find() -> Callable[[str, bytes, int], list[SecretHit]]:
    """Search a file as a worker does: a stream in pieces, then each hit judged in its window."""
    database = compiled(hyperscan.HS_MODE_STREAM, RULES.patterns())

    def search(path: str, content: bytes, piece: int) -> list[SecretHit]:
        ends: list[tuple[int, int]] = []

        def matched(rule: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            ends.append((rule, end - 1))

        # The zero stands for the end of the tar header before the file.
        with database.stream(match_event_handler=matched) as stream:
            for first in range(0, len(content) + 1, piece):
                stream.scan((b"\0" + content)[first : first + piece])
        found: dict[SecretHit, None] = {}
        for rule, end in ends:
            low = max(0, end - WINDOW_BEFORE_BYTES)
            window = content[low : end + WINDOW_AFTER_BYTES]
            hit = RULES.judge(rule, path, window, end - low, 1 + content.count(b"\n", 0, end))
            if hit is not None:
                found[hit] = None
        return list(found)

    return search


# Their value is behind base64.
WRAPPED = ("docker-auth", "basic-authorization")

CASES = [pytest.param(sample, id=f"{sample.rule}-{number}") for number, sample in enumerate(SAMPLES)]


@pytest.mark.parametrize("sample", CASES)
def test_a_credential_is_found_where_it_stands(find: Callable[[str, bytes, int], list[SecretHit]], sample: Sample) -> None:
    """The rule's own hit, with the value's fingerprint and line, at the head of a file, after other text, and over pieces."""
    for before, piece in (("", 1 << 20), ("#\n" * 3000, 1 << 20), ("first line\n", 7)):
        hits = find(sample.path, (before + sample.text).encode(), piece)
        (hit,) = (hit for hit in hits if hit.rule == sample.rule)
        assert hit.fingerprint == RULES.fingerprint(sample.value.encode())
        assert hit.path == sample.path
        assert hit.confidence != "low"
        start = sample.text.find(sample.value[:8]) if sample.rule not in WRAPPED else 0
        assert hit.line == 1 + (before + sample.text[:start]).count("\n")


@pytest.mark.parametrize("sample", CASES)
def test_what_only_looks_like_one_is_not(find: Callable[[str, bytes, int], list[SecretHit]], sample: Sample) -> None:
    """One character too few, a placeholder, or a value nobody would keep secret."""
    assert [hit.rule for hit in find(sample.path, sample.miss.encode(), 1 << 20) if hit.rule == sample.rule] == []


@pytest.mark.parametrize("sample", CASES)
def test_a_value_without_entropy_is_not_one(find: Callable[[str, bytes, int], list[SecretHit]], sample: Sample) -> None:
    """`ghp_xxxxxxxx…` stands in documentation."""
    if len(sample.value) < 12 or sample.rule in WRAPPED:
        return  # a password of eight characters has no entropy to speak of, and some are behind base64
    text = sample.text
    for first in range(0, len(sample.value), 60):
        text = text.replace(sample.value[first + 7 : first + 60], "x" * len(sample.value[first + 7 : first + 60]))
    assert text != sample.text
    assert [hit.rule for hit in find(sample.path, text.encode(), 1 << 20) if hit.rule == sample.rule] == []


@pytest.mark.parametrize("sample", CASES)
def test_no_hit_holds_the_value(find: Callable[[str, bytes, int], list[SecretHit]], sample: Sample) -> None:
    """At most four characters, and none of them beyond the prefix that all tokens of the kind share."""
    for hit in find(sample.path, sample.text.encode(), 1 << 20):
        prefixes = (keyword[:4] for keyword in RULES.rules[NUMBERS[hit.rule]].keywords)
        assert hit.preview == "" or any(prefix.startswith(hit.preview.lower()) for prefix in prefixes)
        assert sample.value not in repr(hit)


@pytest.mark.parametrize("sample", CASES)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf_16_is_text(find: Callable[[str, bytes, int], list[SecretHit]], sample: Sample, encoding: str) -> None:
    """Of both byte orders, with a byte order mark and without, in one piece and in many; Windows writes it."""
    for before in ("", "# für\n"):
        content = (before + sample.text).encode(encoding)
        for piece in (1 << 20, 7):
            hits = [hit for hit in find(sample.path, content, piece) if hit.rule == sample.rule]
            assert len(hits) == 1
            # A long private key is longer than the window in twice as many bytes.
            assert len(sample.value) > 400 or hits[0].fingerprint == RULES.fingerprint(sample.value.encode())
        assert [hit for hit in find(sample.path, sample.miss.encode(encoding), 1 << 20) if hit.rule == sample.rule] == []


ENCODED = {
    "aws-access-key-id": "[default]\naws_access_key_id = {}\n",
    "npm-token": "//registry.npmjs.org/:_authToken={}\n",
}
ENCODED_CASES = [
    pytest.param(sample, id=f"{sample.rule}-{number}")
    for number, sample in enumerate(SAMPLES)
    if RULES.rules[NUMBERS[sample.rule]].encoded and "secretAccessKey" not in sample.text
]


@pytest.mark.parametrize("sample", ENCODED_CASES)
@pytest.mark.parametrize("before", ["", "a", "bb"])
@pytest.mark.parametrize("columns", [10_000, 76, 64, 30])
def test_what_is_in_base64_is_decoded(
    find: Callable[[str, bytes, int], list[SecretHit]], sample: Sample, before: str, columns: int
) -> None:
    """As a Kubernetes Secret and a kubeconfig have it: beginning anywhere in a group of three, in lines of any length, indented."""
    plain = ENCODED[sample.rule].format(sample.value) if sample.rule in ENCODED else sample.text
    text = b64((before + plain).encode())
    lines = [text[first : first + columns] for first in range(0, len(text), columns)]
    for content in ("key: " + "\n    ".join(lines) + "\n", json.dumps({"data": {"tls.key": "\n".join(lines)}})):
        for piece in (1 << 20, 7):
            hits = [hit for hit in find("srv/secret.yaml", content.encode(), piece) if hit.rule == sample.rule]
            assert [hit.fingerprint for hit in hits[:1]] == [RULES.fingerprint(sample.value.encode())]
    missed = find("srv/secret.yaml", b64((before + sample.miss).encode()).encode(), 1 << 20)
    assert [hit for hit in missed if hit.rule == sample.rule] == []


def test_every_rule_has_a_sample() -> None:
    """A rule that nobody has seen work is none."""
    assert {sample.rule for sample in SAMPLES} == set(NUMBERS)


def test_one_value_is_reported_by_the_rule_that_knows_it(find: Callable[[str, bytes, int], list[SecretHit]]) -> None:
    """A GitHub token in a netrc or after `token =` is a GitHub token, not a password."""
    value = "ghp_" + some(36)
    for path, text in (("root/.netrc", f"machine github.com login me password {value}\n"), ("srv/x.ini", f"token = {value}\n")):
        assert [hit.rule for hit in find(path, text.encode(), 1 << 20)] == ["github-token"]


def test_hashes_and_uuids_are_no_credentials(find: Callable[[str, bytes, int], list[SecretHit]]) -> None:
    """Thousands of them lie in every image."""
    text = "".join(
        f"{hexadecimal(64)}\n{hexadecimal(8)}-{hexadecimal(4)}-4{hexadecimal(3)}-a{hexadecimal(3)}-{hexadecimal(12)}\n"
        for _ in range(500)
    )
    text += f"sha512-{b64(_random.randbytes(64))}\nkey: {hexadecimal(40)}\nGPG_KEY={upper(40)}\n"
    assert find("srv/app/list.yaml", text.encode(), 1 << 20) == []


def test_binary_content_is_searched_as_well(find: Callable[[str, bytes, int], list[SecretHit]]) -> None:
    """A key compiled into a program, between bytes of any kind."""
    value = "AKIA" + upper(16)
    content = _random.randbytes(5000) + b"Z9" + value.encode() + b"A\0" + _random.randbytes(5000)
    assert [hit.rule for hit in find("usr/bin/tool", content, 1000)] == ["aws-access-key-id"]
