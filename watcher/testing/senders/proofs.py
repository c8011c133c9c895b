"""How senders prove themselves: what each adds to a request, given the secret that both sides know."""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from watcher.testing.senders.announcement import Request

Proof = Callable[[Request, str], Request]


def header(name: str = "Authorization", scheme: str = "Bearer ") -> Proof:
    """A header that is the secret."""
    return lambda request, secret: _with(request, {name: scheme + secret})


def basic(username: str) -> Proof:
    def proof(request: Request, secret: str) -> Request:
        return _with(request, {"Authorization": "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()})

    return proof


def in_path(request: Request, secret: str) -> Request:
    """Of senders that know nothing but a URL."""
    return replace(request, path=f"/{secret}")


def signed(prefixes: Mapping[str, str], algorithm: str = "sha256") -> Proof:
    """HMAC over the body, or over `payload` where that is in the query string. Every header has it, after its prefix."""

    def proof(request: Request, secret: str) -> Request:
        content = request.body or dict(parse_qsl(request.query))["payload"].encode()
        digits = hmac.digest(secret.encode(), content, algorithm).hex()
        return _with(request, {name: prefix + digits for name, prefix in prefixes.items()})

    return proof


def _with(request: Request, headers: Mapping[str, Any]) -> Request:
    return replace(request, headers={**request.headers, **headers})
