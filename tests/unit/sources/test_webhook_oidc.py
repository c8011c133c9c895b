import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from multidict import CIMultiDict

from tests.doubles.hand_clock import HandClock
from tests.doubles.requests import a_request
from watcher.model.errors import RetryableError
from watcher.sources.webhook_oidc import FAILURE_SECONDS, UNKNOWN_KEY_SECONDS, KeysUnavailableError, TokenDoorman
from watcher.sources.webhook_settings import OidcAuth, WebhookSourceSettings

AUDIENCE = "https://watcher.example.com/hooks/gar"
EMAIL = "watcher-push@my-project.iam.gserviceaccount.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class DownError(RetryableError):
    reason = "down"


def jwk(key: rsa.RSAPrivateKey, key_id: str, **changes: Any) -> dict[str, Any]:
    return {
        **jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True),
        "kid": key_id,
        "alg": "RS256",
        "use": "sig",
        **changes,
    }


class Issuer:
    """An issuer's keys at a URL, on a clock of its own."""

    def __init__(self) -> None:
        self.keys: list[Any] = [jwk(KEY, "k1")]
        self.status = 200
        self.cache_control = "public, max-age=600, must-revalidate"
        self.body: bytes | None = None
        self.down = False
        self.asked: list[str] = []
        self.now = 1000.0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        self.asked.append(url)
        await self.gate.wait()
        if self.down:
            raise DownError("no route")
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return self.status, CIMultiDict({"cache-control": self.cache_control}), body

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def doorman(issuer: Issuer, clock: HandClock) -> TokenDoorman:
    return TokenDoorman(OidcAuth(audience=AUDIENCE, email=EMAIL), issuer.fetch, clock, issuer.monotonic)


def claims(clock: HandClock, **changes: Any) -> dict[str, Any]:
    now = int(clock().timestamp())
    usual = {
        "aud": AUDIENCE,
        "azp": "113774264463038321964",
        "email": EMAIL,
        "email_verified": True,
        "exp": now + 3600,
        "iat": now,
        "iss": "https://accounts.google.com",
        "sub": "113774264463038321964",
    }
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


def token(payload: dict[str, Any], *, key: Any = KEY, key_id: str | None = "k1", algorithm: str = "RS256") -> CIMultiDict[str]:
    headers = {"kid": key_id} if key_id is not None else None
    return CIMultiDict({"Authorization": "Bearer " + jwt.encode(payload, key, algorithm=algorithm, headers=headers)})


def forged(header: dict[str, Any], payload: dict[str, Any], sign: Any) -> CIMultiDict[str]:
    """A token that the library would not make."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, payload)]
    parts.append(base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"="))
    return CIMultiDict({"Authorization": "Bearer " + b".".join(parts).decode()})


async def test_the_token_of_the_service_account_is_accepted(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """With either of Google's two names of itself."""
    for name in ("https://accounts.google.com", "accounts.google.com"):
        assert await doorman.objection(a_request(token(claims(clock, iss=name))), b"") is None
    assert issuer.asked == ["https://www.googleapis.com/oauth2/v3/certs"]


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"aud": "https://watcher.example.com/hooks/other"}, "wrong-audience"),
        ({"aud": None}, "malformed-token"),
        ({"iss": "https://accounts.example.com"}, "wrong-issuer"),
        ({"iss": None}, "malformed-token"),
        ({"email": "other@my-project.iam.gserviceaccount.com"}, "wrong-email"),
        ({"email": EMAIL.upper()}, "wrong-email"),
        ({"email": None}, "wrong-email"),
        ({"email_verified": False}, "email-not-verified"),
        ({"email_verified": None}, "email-not-verified"),
        ({"email_verified": "true"}, "email-not-verified"),
        ({"exp": None}, "malformed-token"),
        ({"exp": "4102444800"}, "malformed-token"),
        ({"exp": True}, "malformed-token"),
        ({"exp": float("nan")}, "expired"),
        ({"iat": None}, "malformed-token"),
        ({"iat": float("nan")}, "not-yet-valid"),
    ],
)
async def test_a_token_for_another_or_of_another_is_refused(
    doorman: TokenDoorman, clock: HandClock, changes: dict[str, Any], objection: str
) -> None:
    """However well it is signed: Google signs for everybody."""
    assert await doorman.objection(a_request(token(claims(clock, **changes))), b"") == objection


@pytest.mark.parametrize(
    ("seconds", "objection"),
    [(-61, "not-yet-valid"), (-59, None), (0, None), (3659, None), (3660, "expired"), (86400, "expired")],
)
async def test_a_token_counts_in_its_time_and_a_minute_around(
    doorman: TokenDoorman, clock: HandClock, seconds: float, objection: str | None
) -> None:
    """As far as clocks of others may be off."""
    headers = token(claims(clock))
    clock.advance(seconds)
    assert await doorman.objection(a_request(headers), b"") == objection


async def test_the_algorithm_is_ours_to_choose(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """None, a public key used as a secret, a longer hash, another kind of key: all are refused, and no key is fetched for them."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    payload = claims(clock)
    tokens = [
        forged({"alg": "none", "kid": "k1"}, payload, lambda _: b""),
        forged({"alg": "none", "kid": "k1"}, payload, lambda _: b"x"),
        forged({"alg": "HS256", "kid": "k1"}, payload, lambda text: hmac.digest(public, text, hashlib.sha256)),
        forged({"alg": ["RS256"], "kid": "k1"}, payload, lambda _: b"x"),
        token(payload, algorithm="RS512"),
        token(payload, algorithm="PS256"),
        token(payload, key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
    ]
    assert {await doorman.objection(a_request(each), b"") for each in tokens} <= {"malformed-token", "no-token"}
    assert issuer.asked == []


async def test_what_is_no_token_is_refused(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """Before anything is read or fetched."""
    good = token(claims(clock))["Authorization"]
    head, body, signature = good.removeprefix("Bearer ").split(".")
    for given in (
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c.d",
        f"Basic {head}.{body}.{signature}",
        f"Bearer {head}.{body}.",
        "Bearer é.é.é",
    ):
        assert not doorman.admits(a_request({"Authorization": given})), given
        assert await doorman.objection(a_request({"Authorization": given}), b"") == "no-token"
    for given in ("Bearer a.b.c", f"Bearer {body}.{body}.{signature}", f"Bearer {'W10'}.{body}.{signature}"):
        assert await doorman.objection(a_request({"Authorization": given}), b"") == "malformed-token"
    assert issuer.asked == []
    assert doorman.admits(a_request({"Authorization": good}))


async def test_a_changed_token_is_refused(doorman: TokenDoorman, clock: HandClock) -> None:
    """Another payload under the same signature, another key under the same name, and one without a name."""
    head, body, signature = token(claims(clock))["Authorization"].split(".")
    _, other, _ = token(claims(clock, sub="1"))["Authorization"].split(".")
    assert await doorman.objection(a_request({"Authorization": f"{head}.{other}.{signature}"}), b"") == "bad-signature"
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    assert await doorman.objection(a_request({"Authorization": f"{head}.{body}.{flipped}"}), b"") == "bad-signature"
    assert await doorman.objection(a_request(token(claims(clock), key=OTHER_KEY)), b"") == "bad-signature"
    assert await doorman.objection(a_request(token(claims(clock), key_id=None)), b"") == "malformed-token"


async def test_keys_are_kept_as_long_as_their_issuer_says(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """And are asked for again after that, and not before."""
    for seconds in (0.0, 599.0, 1.0):
        issuer.now += seconds
        assert await doorman.objection(a_request(token(claims(clock))), b"") is None
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(("said", "seconds"), [("no-store", 3600.0), ("max-age=1", 300.0), ("max-age=99999999", 86400.0)])
async def test_how_long_keys_are_kept_has_bounds(
    doorman: TokenDoorman, clock: HandClock, issuer: Issuer, said: str, seconds: float
) -> None:
    """Whatever is said, nobody is asked for every request, and a key that was withdrawn is known after a day."""
    issuer.cache_control = said
    for step in (0.0, seconds - 1, 1.0):
        issuer.now += step
        assert await doorman.objection(a_request(token(claims(clock))), b"") is None
    assert len(issuer.asked) == 2


async def test_a_new_key_is_found_when_it_is_first_used(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """Issuers change keys before the old set has expired."""
    assert await doorman.objection(a_request(token(claims(clock))), b"") is None
    issuer.keys = [jwk(OTHER_KEY, "k2"), jwk(KEY, "k1")]
    issuer.now += UNKNOWN_KEY_SECONDS
    assert await doorman.objection(a_request(token(claims(clock), key=OTHER_KEY, key_id="k2")), b"") is None


async def test_forged_names_of_keys_do_not_make_us_ask_again_and_again(
    doorman: TokenDoorman, clock: HandClock, issuer: Issuer
) -> None:
    """At most once in UNKNOWN_KEY_SECONDS, however many there are, and known keys count meanwhile."""
    for index in range(50):
        assert await doorman.objection(a_request(token(claims(clock), key_id=f"x{index}")), b"") == "unknown-key"
    assert len(issuer.asked) == 1
    assert await doorman.objection(a_request(token(claims(clock))), b"") is None
    issuer.now += UNKNOWN_KEY_SECONDS
    assert await doorman.objection(a_request(token(claims(clock), key_id="x")), b"") == "unknown-key"
    assert len(issuer.asked) == 2


async def test_many_requests_ask_for_keys_once(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """Those that come while the keys are on their way wait for them."""
    issuer.gate.clear()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(doorman.objection(a_request(token(claims(clock))), b"")) for _ in range(20)]
        while not issuer.asked:
            await asyncio.sleep(0)
        issuer.gate.set()
    assert {task.result() for task in asked} == {None}
    assert len(issuer.asked) == 1


async def test_keys_that_cannot_be_had_are_no_reason_to_refuse(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """The sender is asked to try again: at once while the trouble is fresh, and everything is well when it is over."""
    issuer.down = True
    with pytest.raises(RetryableError):
        await doorman.objection(a_request(token(claims(clock))), b"")
    with pytest.raises(KeysUnavailableError):
        await doorman.objection(a_request(token(claims(clock))), b"")
    assert len(issuer.asked) == 1
    issuer.down = False
    issuer.now += FAILURE_SECONDS
    assert await doorman.objection(a_request(token(claims(clock))), b"") is None
    issuer.down = True
    issuer.now += UNKNOWN_KEY_SECONDS
    with pytest.raises(RetryableError):
        await doorman.objection(a_request(token(claims(clock), key_id="k2")), b"")
    assert await doorman.objection(a_request(token(claims(clock))), b"") is None
    issuer.now += 600
    with pytest.raises(RetryableError):
        await doorman.objection(a_request(token(claims(clock))), b"")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (301, None),
        (404, None),
        (500, None),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": {}}'),
        (200, b'{"keys": [1, {}, {"kid": "k1", "kty": "RSA"}, {"kid": "k1", "kty": "RSA", "n": "!", "e": 1}]}'),
        (200, b'{"keys": [{"kid": "k1", "kty": "oct", "k": "c2VjcmV0"}]}'),
    ],
)
async def test_an_answer_without_keys_is_as_none(
    doorman: TokenDoorman, clock: HandClock, issuer: Issuer, status: int, body: bytes | None
) -> None:
    """Also a redirect: the keys are where they are said to be."""
    issuer.status, issuer.body = status, body
    with pytest.raises(KeysUnavailableError):
        await doorman.objection(a_request(token(claims(clock))), b"")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_keys_that_are_no_use_are_left_out(doorman: TokenDoorman, clock: HandClock, issuer: Issuer) -> None:
    """Too short, for encryption, for another algorithm, private, without a name: the others count."""
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    private = {**jwt.algorithms.RSAAlgorithm.to_jwk(KEY, as_dict=True), "kid": "private"}
    issuer.keys = [
        jwk(weak, "weak"),
        jwk(KEY, "enc", use="enc"),
        jwk(KEY, "ps", alg="PS256"),
        private,
        {**jwk(KEY, ""), "kid": None},
        jwk(KEY, "k1"),
    ]
    for key_id, key in (("weak", weak), ("enc", KEY), ("ps", KEY), ("private", KEY)):
        assert await doorman.objection(a_request(token(claims(clock), key=key, key_id=key_id)), b"") == "unknown-key"
    assert await doorman.objection(a_request(token(claims(clock))), b"") is None


@pytest.mark.parametrize(
    "auth",
    [
        {"jwks_url": "http://keys.example.com/certs"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": "https://"},
        {"jwks_url": "http://127.0.0.1.example.com/"},
        {"audience": ""},
        {"email": ""},
        {"issuers": []},
    ],
)
def test_keys_come_by_https_only(auth: dict[str, Any]) -> None:
    """Plain http is for tests on loopback; and nothing that has to be compared may be empty."""
    usual = {"type": "oidc", "audience": AUDIENCE, "email": EMAIL}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "webhook", "dialect": "gar", "auth": {**usual, **auth}}, WebhookSourceSettings)
    for url in ("https://keys.example.com/certs", "http://127.0.0.1:8080/certs", "http://localhost/certs", "http://[::1]:1/certs"):
        msgspec.convert({"type": "webhook", "dialect": "gar", "auth": {**usual, "jwks_url": url}}, WebhookSourceSettings)
