"""Senders that say a secret. Decided from the request line and headers alone, in constant time, before the body is read."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

import msgspec

from watcher.kit.secret import Secret, SecretReference
from watcher.sources.protocol import HookRequest

# No sender that is given one parameter has more than a few of its own.
MAX_PARAMETERS = 100

HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]+$")]


class BearerAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="bearer"):
    """A header equals the secret, with or without a scheme word (`Bearer`, `Token`) before it."""

    secret: SecretReference  # the one that senders are given
    previous_secret: SecretReference | None = None  # is accepted as well, while senders are changed from it to `secret`
    header: HeaderName = "Authorization"  # where the secret is, for senders that cannot set this one: `X-JFrog-Event-Auth`
    # A parameter of the query string that may hold the secret instead, for senders that can set no header: `access_token`, `code`.
    # Proxies write query strings into their logs, so a path token is better where that is possible.
    query: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]*$")] = ""


class PathTokenAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="path-token"):
    """The secret is the last part of the URL: `/hooks/NAME/TOKEN`. For senders that can set no header."""

    secret: SecretReference  # letters and digits, at least 32 of them: nothing else keeps strangers out
    previous_secret: SecretReference | None = None  # is accepted as well, while senders are changed from it to `secret`


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """User name and password, also as `https://USER:PASSWORD@HOST/hooks/NAME`."""

    username: str  # the same for both passwords
    password: SecretReference  # the one that senders are given
    previous_password: SecretReference | None = None  # is accepted as well, while senders are changed from it to `password`


class NoAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="none"):
    """Anybody who reaches the port may post. It has to be written out: leaving `auth` away is an error."""


class HeaderDoorman:
    """Knows one secret, and where the sender says it."""

    reads_body = False

    def __init__(self, auth: BearerAuth | PathTokenAuth | BasicAuth | NoAuth, secret: Secret) -> None:
        self._auth = auth
        self._secret = secret

    def admits(self, request: HookRequest) -> bool:
        """Whether the request says the secret."""
        headers: Mapping[str, str] = request.headers
        match self._auth:
            case BearerAuth(header=header, query=query):
                given = headers.get(header, "")
                # All comparisons always run: which form a sender uses is no secret, but how far it matched is.
                bare = self._secret.matches(given)
                schemed = self._secret.matches(given.partition(" ")[2].strip())
                asked = bool(query) and self._secret.matches(_parameter(request.query, query))
                return bare or schemed or asked
            case PathTokenAuth():
                return self._secret.matches(request.path_token or "")
            case BasicAuth(username=username):
                given_name, given_password = _basic(headers.get("Authorization", ""))
                named = Secret(username).matches(given_name)
                known = self._secret.matches(given_password)
                return named and known
            case NoAuth():
                return True

    async def objection(self, request: HookRequest, signed: bytes) -> str | None:  # noqa: ARG002 -- every doorman is asked alike
        """None: there is nothing more to prove."""
        return None


def _parameter(query: str, name: str) -> str:
    """The value of the first parameter of this name in a raw query string, "" where there is none or too much to look through."""
    try:
        return dict(reversed(parse_qsl(query, max_num_fields=MAX_PARAMETERS))).get(name, "")
    except ValueError:
        return ""


def _basic(authorization: str) -> tuple[str, str]:
    """Spec: RFC 7617. Anything malformed is an empty name and an empty password, which never match: no secret is empty."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    name, _, password = decoded.partition(":")
    return name, password
