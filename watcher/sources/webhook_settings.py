"""What a webhook source is told: whose events, and how their sender proves itself."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from watcher.kit.secret import SecretReference, SpokenSecretReference
from watcher.model.amazon import PARTITIONS
from watcher.sources.binding import EventSourceSettings
from watcher.sources.webhook_senders import SENDERS

HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]+$")]
_PARTITIONS = "|".join(sorted(partition.name for partition in PARTITIONS))
TopicArn = Annotated[str, msgspec.Meta(pattern=rf"^arn:({_PARTITIONS}):sns:[a-z0-9-]+:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}$")]
GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BearerAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="bearer"):
    """A header equals the secret, with or without a scheme word (`Bearer`, `Token`) before it."""

    secret: SpokenSecretReference  # the one that senders are given
    previous_secret: SpokenSecretReference | None = None  # is accepted as well, while senders are changed from it to `secret`
    header: HeaderName = "Authorization"  # where the secret is, for senders that cannot set this one: `X-JFrog-Event-Auth`
    # A parameter of the query string that may hold the secret instead, for senders that can set no header: `access_token`, `code`.
    # Proxies write query strings into their logs, so a path token is better where that is possible.
    query: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]*$")] = ""


class PathTokenAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="path-token"):
    """The secret is the last part of the URL: `/hooks/NAME/TOKEN`. For senders that can set no header."""

    secret: SpokenSecretReference  # letters and digits, at least 32 of them: nothing else keeps strangers out
    previous_secret: SpokenSecretReference | None = None  # is accepted as well, while senders are changed from it to `secret`


class BasicAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="basic"):
    """User name and password, also as `https://USER:PASSWORD@HOST/hooks/NAME`."""

    username: str  # the same for both passwords
    password: SecretReference  # the one that senders are given
    previous_password: SecretReference | None = None  # is accepted as well, while senders are changed from it to `password`


class NoAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="none"):
    """Anybody who reaches the port may post. It has to be written out: leaving `auth` away is an error."""


class HmacAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="hmac"):
    """The body is signed with the secret, in the header and with the algorithm of the dialect's sender."""

    secret: SecretReference  # the one that the sender signs with
    previous_secret: SecretReference | None = None  # is accepted as well, while senders are changed from it to `secret`
    # Another header than `X-Signature`, for the dialects whose sender has none of its own (generic, cloudevents, cdevents). Its
    # value is `sha256=` and hexadecimal digits.
    header: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]*$")] = ""


class OidcAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="oidc"):
    """`Authorization: Bearer` and a token that the sender's cloud signed for its service account (RS256)."""

    audience: str  # what the token has to be meant for: of a push subscription, its audience, else the URL it posts to
    email: str  # the service account: NAME@PROJECT.iam.gserviceaccount.com
    issuers: tuple[str, ...] = GOOGLE_ISSUERS  # who may have signed it
    jwks_url: str = GOOGLE_KEYS  # the issuers' public keys; https, plain http on loopback only

    def __post_init__(self) -> None:
        url = urlsplit(self.jwks_url)
        if not url.hostname or (url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK)):
            raise ValueError(f"jwks_url must begin with https://, found {self.jwks_url!r}")
        if not (self.audience and self.email and self.issuers):
            raise ValueError("audience, email and issuers must not be empty")


class SnsAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sns"):
    """Messages of Amazon SNS, with its signature (version 1 or 2). A subscription of a listed topic confirms itself.

    Raw message delivery has no signature and is refused.
    """

    topics: Annotated[tuple[TopicArn, ...], msgspec.Meta(min_length=1)]  # the ARNs of the topics that may send
    # Where SNS is reached, for certificates and confirmations, if not at `sns.REGION.amazonaws.com`; https, plain http on
    # loopback only.
    endpoint_url: str = ""

    def __post_init__(self) -> None:
        url = urlsplit(self.endpoint_url)
        if self.endpoint_url and url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ValueError(f"endpoint_url must begin with https://, found {self.endpoint_url!r}")


WebhookAuth = BearerAuth | PathTokenAuth | BasicAuth | HmacAuth | OidcAuth | SnsAuth | NoAuth


class WebhookSourceSettings(
    EventSourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"
):
    """One sender that posts to us, to `/hooks/NAME`."""

    auth: WebhookAuth  # no default: an open door has to be asked for with {type: none}

    def __post_init__(self) -> None:
        sender = SENDERS.get(self.dialect)
        if sender is None:
            return  # no such dialect: said where all of them are known
        match self.auth:
            case HmacAuth(header=header):
                if sender.signature is None:
                    raise ValueError(f"the sender of dialect {self.dialect} does not sign: use {sender.instead}")
                if header and not sender.signature.header_is_free:
                    known = ", ".join(sender.signature.prefixes)
                    raise ValueError(f"the sender of dialect {self.dialect} signs in {known}: leave `header` away")
            case SnsAuth():
                if not sender.sends_sns:
                    raise ValueError(f"dialect {self.dialect} does not read messages of SNS; ecr does")
            case _:
                return
