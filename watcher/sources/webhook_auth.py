"""Who may post to a webhook. Decided from the request line and headers alone, in constant time, before the body is read."""

import base64
import binascii
from collections.abc import Mapping

import msgspec

from watcher.kit.secret import Secret, SecretReference, resolve


class BearerAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="bearer"):
    """`Authorization` equals the secret, with or without a scheme word before it."""

    secret: SecretReference


class PathTokenAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="path-token"):
    """The secret is the last part of the URL: `/hooks/NAME/TOKEN`. For senders that can set no header."""

    secret: SecretReference


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """User name and password, also as `https://USER:PASSWORD@HOST/hooks/NAME`."""

    username: str
    password: SecretReference


class NoAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="none"):
    """Anybody who reaches the port may post. It has to be written out: leaving `auth` away is an error."""


WebhookAuth = BearerAuth | PathTokenAuth | BasicAuth | NoAuth


class Doorman:
    """Answers one question about a request. Every secret is resolved once, at start.

    Raises:
        ConfigurationError: a secret is unset, unreadable or empty (on construction).
    """

    def __init__(self, auth: WebhookAuth) -> None:
        self._auth = auth
        match auth:
            case BearerAuth() | PathTokenAuth():
                self._secret = resolve(auth.secret)
            case BasicAuth():
                self._secret = resolve(auth.password)
            case NoAuth():
                self._secret = Secret("")

    def admits(self, headers: Mapping[str, str], path_token: str | None) -> bool:
        """Whether the request may go on. Names of `headers` are lower-case or compare without case."""
        authorization = headers.get("authorization", "")
        match self._auth:
            case BearerAuth():
                # Both comparisons always run: which of the two forms a sender uses is no secret, but how far it matched is.
                bare = self._secret.matches(authorization)
                schemed = self._secret.matches(authorization.partition(" ")[2].strip())
                return bare or schemed
            case PathTokenAuth():
                return self._secret.matches(path_token or "")
            case BasicAuth(username=username):
                given_name, given_password = _basic(authorization)
                named = Secret(username).matches(given_name)
                known = self._secret.matches(given_password)
                return named and known
            case NoAuth():
                return True


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
