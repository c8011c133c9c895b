"""The `server` and `admission` blocks of the configuration."""

from typing import Annotated, Literal

import msgspec

from watcher.kit.secret import SpokenSecretReference
from watcher.kit.units import Duration, Size, refuse_nothing
from watcher.model.reference import is_this_machine

Mode = Literal["allow", "warn", "deny"]


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PEM files. Read at start, and again within a minute of being changed, or of being readable."""

    cert: str  # the certificate, followed by those between it and its authority
    key: str  # of the certificate, without a passphrase


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One HTTP server for hooks, admission, API, health and metrics."""

    host: str = "127.0.0.1"  # the address to listen on; anything but loopback needs an api_token
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080  # 0 lets the system choose
    max_body: Size = "1MiB"  # for one delivery to a hook; a registry's event has 2 KiB, the largest batches 1 MiB
    # `Authorization: Bearer …`, for everything but hooks, admission, health, metrics
    api_token: SpokenSecretReference | None = None
    # How others reach this server, for the links in messages: `https://watcher.example.com`. Empty: there are no links.
    public_url: Annotated[str, msgspec.Meta(pattern=r"^(https?://\S+)?$")] = ""
    tls: TlsSettings | None = None  # None: plain HTTP, behind something that ends TLS

    @property
    def on_loopback(self) -> bool:
        return is_this_machine(self.host)

    @property
    def place(self) -> str:
        """Host and port, as a URL has them."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def url(self) -> str:
        """How others reach it, without a slash at its end: as `public_url` says, else where it listens."""
        return self.public_url.rstrip("/") or f"http{'s' if self.tls else ''}://{self.place}"

    def __post_init__(self) -> None:
        refuse_nothing(max_body=self.max_body)
        if self.api_token is None and not self.on_loopback:
            raise ValueError(f"api_token must be set when the server listens on {self.host!r}, which is not loopback")


class AdmissionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `/k8s/admission` answers. Pass, warn (with a warning) and not-applicable allow, fail denies; the rest is said here."""

    # the last part of the URL, or a bearer token; None: anybody who reaches the port may ask
    token: SpokenSecretReference | None = None
    environment: str | None = None  # the environment the cluster is; None: the newest verdict, whatever its environment
    on_unknown: Mode = "warn"  # the verdict is unknown or older than max_age, or the registry or store did not answer
    on_unjudged: Mode = "warn"  # there is no verdict, or the image is of a registry that is not configured
    max_age: Duration = "24h"  # a pass says nothing about what became known since
