"""Senders that show an OpenID Connect token of their service account, as Pub/Sub push does.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import asyncio
import importlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from watcher.kit.clock import Clock
from watcher.model.errors import RetryableError
from watcher.model.strict_json import JsonBodyError, read_json
from watcher.sources.protocol import HookRequest
from watcher.sources.webhook_settings import OidcAuth

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

Fetch = Callable[[str], Awaitable[tuple[int, Mapping[str, str], bytes]]]
"""`await fetch(url)`: status, headers and body. Raises RetryableError."""

# Clocks of a cloud and of ours differ by less.
LEEWAY = timedelta(seconds=60)
# Google says about six hours; without a word an hour is what others keep keys for.
KEYS_SECONDS = 3600.0
KEYS_SECONDS_RANGE = (300.0, 86400.0)
# An unknown key may be a new one: then its set is asked for again, but not for every forged token.
UNKNOWN_KEY_SECONDS = 30.0
# While the keys cannot be had, senders are told so at once.
FAILURE_SECONDS = 5.0
MAX_KEYS = 100
MIN_KEY_BITS = 2048
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_MAX_AGE = re.compile(r"max-age=([0-9]{1,9})")


class KeysUnavailableError(RetryableError):
    """The issuer's keys cannot be had, so no token can be judged."""

    reason = "keys-unavailable"


class TokenDoorman:
    """Knows whose tokens, and for whom."""

    reads_body = False

    def __init__(self, auth: OidcAuth, fetch: Fetch, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        importlib.import_module("jwt")  # a tenth of a second, which no request should wait for
        self._auth = auth
        self._clock = clock
        self._keys = KeySet(auth.jwks_url, fetch, monotonic)

    def admits(self, request: HookRequest) -> bool:
        """Whether there is anything that could be a token."""
        return _token(request.headers) is not None

    async def objection(self, request: HookRequest, signed: bytes) -> str | None:  # noqa: ARG002 -- the token does not cover the body
        """Why the token is none of ours: `no-token`, `malformed-token`, `unknown-key`, `bad-signature`, or the claim that is wrong.

        Raises:
            KeysUnavailableError: it cannot be told.
        """
        import jwt

        token = _token(request.headers)
        if token is None:
            return "no-token"
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return "malformed-token"
        key_id = header.get("kid")
        # The algorithm is ours to choose: a token that names another one is not even looked at.
        if header.get("alg") != "RS256" or not isinstance(key_id, str):
            return "malformed-token"
        key = await self._keys.find(key_id)
        if key is None:
            return "unknown-key"
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._auth.audience,
                issuer=self._auth.issuers,
                options={"require": ["exp", "iat", "aud", "iss"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidAudienceError:
            return "wrong-audience"
        except jwt.InvalidIssuerError:
            return "wrong-issuer"
        except jwt.InvalidSignatureError:
            return "bad-signature"
        except jwt.PyJWTError:
            return "malformed-token"
        return self._wrong_claim(claims)

    def _wrong_claim(self, claims: Mapping[str, Any]) -> str | None:
        now, leeway = self._clock().timestamp(), LEEWAY.total_seconds()
        times = [claims["exp"], claims["iat"], claims.get("nbf", 0)]
        if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times):
            return "malformed-token"
        expires, issued, begins = times
        # What must be true is asked, not its opposite: of NaN, which JSON of others may hold, neither is.
        if not expires > now - leeway:
            return "expired"
        if not (issued <= now + leeway and begins <= now + leeway):
            return "not-yet-valid"
        if claims.get("email") != self._auth.email:
            return "wrong-email"
        return None if claims.get("email_verified") is True else "email-not-verified"


class KeySet:
    """An issuer's public keys, fetched when they are first needed, have expired, or lack one; one fetch at a time."""

    def __init__(self, url: str, fetch: Fetch, monotonic: Callable[[], float]) -> None:
        self._url = url
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._fresh_until = self._fetched_at = self._failed_at = float("-inf")

    async def find(self, key_id: str) -> "RSAPublicKey | None":
        """The key, None when the issuer has no such key.

        Raises:
            KeysUnavailableError: the keys cannot be fetched. Expired ones are not used: why one was withdrawn is not known.
        """
        if (found := self._fresh(key_id)) is not None:
            return found
        async with self._lock:
            if (found := self._fresh(key_id)) is not None:
                return found
            now = self._monotonic()
            if now < self._failed_at + FAILURE_SECONDS:
                raise KeysUnavailableError(f"{self._url}: could not be fetched a moment ago")
            if now < self._fresh_until and now < self._fetched_at + UNKNOWN_KEY_SECONDS:
                return None
            try:
                await self._refresh(now)
            except RetryableError:
                self._failed_at = now
                raise
            return self._keys.get(key_id)

    def _fresh(self, key_id: str) -> "RSAPublicKey | None":
        return self._keys.get(key_id) if self._monotonic() < self._fresh_until else None

    async def _refresh(self, now: float) -> None:
        status, headers, body = await self._fetch(self._url)
        if status != 200:
            raise KeysUnavailableError(f"{self._url}: answered {status}")
        keys = _rsa_keys(body)
        if not keys:
            raise KeysUnavailableError(f"{self._url}: has no RSA key to verify with")
        self._keys = keys
        self._fetched_at = now
        self._fresh_until = now + _keeping_seconds(headers.get("Cache-Control", ""))


def _token(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and _TOKEN.fullmatch(token) else None


def _keeping_seconds(cache_control: str) -> float:
    said = _MAX_AGE.search(cache_control)
    shortest, longest = KEYS_SECONDS_RANGE
    return min(max(float(said[1]), shortest), longest) if said else KEYS_SECONDS


def _rsa_keys(body: bytes) -> dict[str, "RSAPublicKey"]:
    """By key id. What is no public RSA key for signatures, or too short a one, is left out. Spec: RFC 7517."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.algorithms import RSAAlgorithm

    try:
        read = read_json(body)
    except JsonBodyError:
        return {}
    listed = read.get("keys") if isinstance(read, dict) else None
    found: dict[str, RSAPublicKey] = {}
    for each in listed[:MAX_KEYS] if isinstance(listed, list) else []:
        if not isinstance(each, dict) or not isinstance(key_id := each.get("kid"), str):
            continue
        if each.get("kty") != "RSA" or each.get("use", "sig") != "sig" or each.get("alg", "RS256") != "RS256":
            continue
        try:
            key = RSAAlgorithm.from_jwk(each)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAPublicKey) and key.key_size >= MIN_KEY_BITS:
            found[key_id] = key
    return found
