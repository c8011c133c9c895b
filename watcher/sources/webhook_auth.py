"""Senders that say a secret. Decided from the request line and headers alone, in constant time, before the body is read."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl

from watcher.kit.secret import Secret
from watcher.sources.protocol import HookRequest
from watcher.sources.webhook_settings import BasicAuth, BearerAuth, NoAuth, PathTokenAuth

# No sender that is given one parameter has more than a few of its own.
MAX_PARAMETERS = 100


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
