"""What is true of whoever decides whether a request is the sender's."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.doubles.hand_clock import HandClock
from tests.doubles.requests import a_request
from watcher.kit.secret import Secret
from watcher.model.errors import RetryableError
from watcher.sources.protocol import HookRequest
from watcher.sources.webhook import Doorman
from watcher.sources.webhook_auth import HeaderDoorman
from watcher.sources.webhook_oidc import TokenDoorman
from watcher.sources.webhook_settings import (
    BasicAuth,
    BearerAuth,
    HmacAuth,
    NoAuth,
    OidcAuth,
    PathTokenAuth,
    SnsAuth,
    WebhookAuth,
)
from watcher.sources.webhook_signature import SignatureDoorman
from watcher.sources.webhook_sns import SnsDoorman
from watcher.testing.senders.sns_topic import TOPIC, SigningTopic

CLOCK = HandClock()
SECRET, OTHER = "s" * 32, "t" * 32
AUDIENCE, EMAIL = "https://watcher.example.com/hooks/gar", "push@project.iam.gserviceaccount.com"
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
AMAZON, STRANGER = SigningTopic(CLOCK), SigningTopic(CLOCK)
BODY = b'{"events": []}'


class DownError(RetryableError):
    reason = "down"


@dataclass(kw_only=True)
class Sender:
    """Who is let in, with what it says: a request, and what of it is signed. `strangers` say something of that kind which is wrong.

    `unreachable` is a doorman of the same sender who cannot get what the proof is checked by.
    """

    doorman: Doorman
    says: tuple[HookRequest, bytes]
    strangers: tuple[tuple[HookRequest, bytes], ...]
    unreachable: Doorman | None = None


def _bearer() -> Sender:
    return Sender(
        doorman=HeaderDoorman(BearerAuth(secret="env:X"), Secret(SECRET)),
        says=(a_request({"Authorization": f"Bearer {SECRET}"}), b""),
        strangers=((a_request({"Authorization": f"Bearer {OTHER}"}), b""), (a_request({"Authorization": "Bearer "}), b"")),
    )


def _path_token() -> Sender:
    return Sender(
        doorman=HeaderDoorman(PathTokenAuth(secret="env:X"), Secret(SECRET)),
        says=(a_request(path_token=SECRET), b""),
        strangers=((a_request(path_token=OTHER), b""), (a_request(path_token=""), b"")),
    )


def _basic() -> Sender:
    def said(text: str) -> HookRequest:
        return a_request({"Authorization": f"Basic {b64encode(text.encode()).decode()}"})

    return Sender(
        doorman=HeaderDoorman(BasicAuth(username="me", password="env:X"), Secret(SECRET)),
        says=(said(f"me:{SECRET}"), b""),
        strangers=((said(f"me:{OTHER}"), b""), (said(f"you:{SECRET}"), b""), (said("me"), b"")),
    )


def _hmac() -> Sender:
    def signed(secret: str, body: bytes) -> HookRequest:
        return a_request({"X-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()})

    return Sender(
        doorman=SignatureDoorman(Secret(SECRET), prefixes={"X-Signature": "sha256="}, algorithm="sha256"),
        says=(signed(SECRET, BODY), BODY),
        strangers=((signed(OTHER, BODY), BODY), (signed(SECRET, BODY), BODY + b" "), (a_request({"X-Signature": "sha256="}), BODY)),
    )


def _oidc() -> Sender:
    async def fetch(_: str) -> tuple[int, Mapping[str, str], bytes]:
        key = {**jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k1", "alg": "RS256", "use": "sig"}
        return 200, {}, json.dumps({"keys": [key]}).encode()

    def said(key: Any = KEY, **changes: str) -> HookRequest:
        now = int(CLOCK().timestamp())
        claims = {"aud": AUDIENCE, "email": EMAIL, "email_verified": True, "exp": now + 3600, "iat": now, **changes}
        claims.setdefault("iss", "https://accounts.google.com")
        return a_request({"Authorization": "Bearer " + jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})})

    auth = OidcAuth(audience=AUDIENCE, email=EMAIL)
    return Sender(
        doorman=TokenDoorman(auth, fetch, CLOCK),
        says=(said(), b""),
        strangers=((said(OTHER_KEY), b""), (said(email="you@example.com"), b""), (a_request({"Authorization": "Bearer x"}), b"")),
        unreachable=TokenDoorman(auth, _down, CLOCK),
    )


def _sns() -> Sender:
    async def fetch(_: str) -> tuple[int, Mapping[str, str], bytes]:
        return 200, {}, AMAZON.pem

    auth = SnsAuth(topics=(TOPIC,))
    return Sender(
        doorman=SnsDoorman(auth, fetch, CLOCK),
        says=(a_request(), AMAZON.body()),
        strangers=((a_request(), STRANGER.body()), (a_request(), BODY), (a_request(), b"")),
        unreachable=SnsDoorman(auth, _down, CLOCK),
    )


def _anybody() -> Sender:
    return Sender(doorman=HeaderDoorman(NoAuth(), Secret("")), says=(a_request(), b""), strangers=())


async def _down(_: str) -> tuple[int, Mapping[str, str], bytes]:
    raise DownError("no route")


# By what is configured: the class that is held to this suite, and its sender.
SENDERS: Mapping[type, tuple[type, Callable[[], Sender]]] = {
    BearerAuth: (HeaderDoorman, _bearer),
    PathTokenAuth: (HeaderDoorman, _path_token),
    BasicAuth: (HeaderDoorman, _basic),
    HmacAuth: (SignatureDoorman, _hmac),
    OidcAuth: (TokenDoorman, _oidc),
    SnsAuth: (SnsDoorman, _sns),
    NoAuth: (HeaderDoorman, _anybody),
}


@pytest.fixture(params=SENDERS, ids=lambda auth: auth.__struct_config__.tag)
def sender(request: pytest.FixtureRequest) -> Sender:
    adapter, make = SENDERS[request.param]
    made = make()
    assert type(made.doorman) is adapter
    return made


async def is_let_in(doorman: Doorman, request: HookRequest, signed: bytes) -> bool:
    """As a source asks: by the head of a request, then by what is signed in it."""
    return doorman.admits(request) and await doorman.objection(request, signed) is None


def test_everything_that_can_be_configured_is_held_to_this_suite() -> None:
    """A doorman that is not named here could let everybody in, and nobody would know."""
    assert set(SENDERS) == set(get_args(WebhookAuth))


async def test_the_sender_is_let_in(sender: Sender) -> None:
    """Each time it comes."""
    for _ in range(2):
        assert await is_let_in(sender.doorman, *sender.says)


async def test_strangers_are_not(sender: Sender) -> None:
    """Not one with another secret or key, not one who changed what was signed, and not one who says next to nothing."""
    assert [await is_let_in(sender.doorman, *said) for said in sender.strangers] == [False] * len(sender.strangers)


async def test_who_says_nothing_is_let_in_by_an_open_door_only(sender: Sender) -> None:
    """Without any proof, whatever the body."""
    for body in (b"", BODY):
        assert await is_let_in(sender.doorman, a_request(), body) is (not sender.strangers)


async def test_a_refusal_is_a_word_for_metrics(sender: Sender) -> None:
    """Low in cardinality, and without what was said."""
    for request, signed in sender.strangers:
        if sender.doorman.admits(request):
            word = await sender.doorman.objection(request, signed)
            assert word
            assert word.replace("-", "").isalpha()


async def test_what_cannot_be_told_now_is_no_refusal(sender: Sender) -> None:
    """The sender is to come again; some take a refusal for final."""
    if sender.unreachable is None:
        return  # it needs nothing from outside
    request, signed = sender.says
    assert sender.unreachable.admits(request)
    with pytest.raises(RetryableError):
        await sender.unreachable.objection(request, signed)
