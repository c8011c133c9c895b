"""The access rules of the in-memory registry: open, Basic, or bearer tokens from its own `/token`.

Spec: distribution "Token Authentication Specification"; a token that is too small gets 401 with `insufficient_scope`.
"""

import base64
import binascii
import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web


class Access(StrEnum):
    OPEN = "open"
    BASIC = "basic"
    TOKEN = "token"  # noqa: S105  the name of a scheme, not a secret


@dataclass(slots=True, kw_only=True)
class Gate:
    """Who may do what. `anonymous_pull` lets a token without credentials read. `refresh_token` is what an identity token grants.

    `hides_as` is the status that strangers get, without a challenge, everywhere but at `/v2/`.
    """

    access: Access = Access.OPEN
    username: str = "watcher"
    password: str = field(default="s3cret", repr=False)
    refresh_token: str = field(default="", repr=False)
    anonymous_pull: bool = False
    expires_seconds: int = 300
    hides_as: int | None = None
    realm: str | None = None  # None: this registry's own /token
    tokens: dict[str, tuple[float, frozenset[str]]] = field(default_factory=dict, repr=False)
    issued: int = 0

    def refusal(self, request: web.Request, needs: str) -> web.Response | None:
        """None when the request may go on; else the 401. `needs` has scopes as `repository:team/app:pull`, or is empty."""
        refused = self._asked(request, needs)
        return web.Response(status=self.hides_as) if refused and self.hides_as and needs else refused

    def _asked(self, request: web.Request, needs: str) -> web.Response | None:
        if self.access is Access.OPEN:
            return None
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if self.access is Access.BASIC:
            if scheme.lower() == "basic" and self._known(value):
                return None
            return _unauthorized('Basic realm="test"')
        realm = self.realm or f"{request.scheme}://{request.host}/token"
        challenge = f'Bearer realm="{realm}",service="test-registry"'
        if needs:
            challenge += f',scope="{needs}"'
        if scheme.lower() != "bearer":
            return _unauthorized(challenge)
        expires, granted = self.tokens.get(value, (0.0, frozenset()))
        if expires < time.monotonic():
            return _unauthorized(challenge + ',error="invalid_token"')
        if needs and not _atoms(needs) <= granted:
            return _unauthorized(challenge + ',error="insufficient_scope"')
        return None

    async def token(self, request: web.Request) -> web.Response:
        """`GET` with Basic credentials or none, `POST` with a refresh token."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if request.method == "POST":
            form = await request.post()
            known = bool(self.refresh_token) and form.get("refresh_token") == self.refresh_token
            scopes = str(form.get("scope", ""))
        else:
            known = scheme.lower() == "basic" and self._known(value)
            scopes = " ".join(request.query.getall("scope", []))
        if not known and (value or request.method == "POST" or not self.anonymous_pull):
            return web.json_response({"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}, status=401)
        granted = frozenset(atom for atom in _atoms(scopes) if known or atom.endswith(":pull"))
        token = secrets.token_urlsafe(24)
        self.tokens[token] = (time.monotonic() + self.expires_seconds, granted)
        self.issued += 1
        return web.json_response({"token": token, "expires_in": self.expires_seconds})

    def actor(self, request: web.Request) -> str | None:
        return None if self.access is Access.OPEN or not request.headers.get("Authorization") else self.username

    def _known(self, encoded: str) -> bool:
        try:
            return base64.b64decode(encoded, validate=True).decode() == f"{self.username}:{self.password}"
        except (binascii.Error, UnicodeDecodeError):
            return False


def _atoms(scopes: str) -> frozenset[str]:
    """`repository:a:pull,push repository:b:pull` as `repository:a:pull`, `repository:a:push` and `repository:b:pull`."""
    named = (scope.rpartition(":") for scope in scopes.split())
    return frozenset(f"{name}:{action}" for name, _, actions in named for action in actions.split(","))


def _unauthorized(challenge: str) -> web.Response:
    body = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
    return web.json_response(body, status=401, headers={"WWW-Authenticate": challenge})
