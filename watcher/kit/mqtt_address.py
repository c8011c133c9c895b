"""Where an MQTT broker is and as whom we come, by what a configuration writes: the same of whoever reads and whoever publishes."""

import ssl
from dataclasses import dataclass, fields
from typing import Any

from watcher.kit.mqtt_tls import tls_context
from watcher.kit.units import Duration, seconds
from watcher.model.reference import is_this_machine

PORT, TLS_PORT = 1883, 8883
# What the length prefix of a topic can say.
LONGEST_TOPIC_BYTES = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """As written; docs/reference/settings.md says what each means."""

    host: str
    port: int
    tls: bool | None
    username: str
    password: str | None
    ca_file: str
    client_cert: str
    client_key: str
    keepalive: Duration
    timeout: Duration

    def check(self) -> None:
        """Raises ValueError for what cannot be meant."""
        if not 0 <= self.port < 65536:
            raise ValueError(f"port {self.port} does not exist")
        try:
            sendable = bool(self.host.encode("idna")) and "/" not in self.host
        except UnicodeError:
            sendable = False
        if not sendable:
            raise ValueError(f"host {self.host!r:.200} is no host name; it has neither scheme nor port")
        if not 1 <= seconds(self.keepalive) <= 65535:
            raise ValueError("keepalive is between 1s and 65535s")
        if seconds(self.timeout) <= 0:
            raise ValueError("timeout is more than nothing")
        if self.password is not None and not self.username:
            raise ValueError("a password needs a username")
        if self.client_key and not self.client_cert:
            raise ValueError("client_key needs client_cert")
        if self.tls is False and (self.ca_file or self.client_cert):
            raise ValueError("ca_file and client_cert are of TLS, which is switched off")

    @property
    def speaks_tls(self) -> bool:
        if self.tls is not None:
            return self.tls
        if self.ca_file or self.client_cert or self.port in {0, TLS_PORT}:
            return True
        return self.port != PORT and not self.is_local

    @property
    def is_local(self) -> bool:
        """Whether the broker is on this machine, by its address or its usual name."""
        return is_this_machine(self.host)

    @property
    def shows_password(self) -> bool:
        """Whether the password goes over a network as it is."""
        return self.password is not None and not self.speaks_tls and not self.is_local

    @property
    def connected_port(self) -> int:
        return self.port or (TLS_PORT if self.speaks_tls else PORT)

    def tls_context(self) -> ssl.SSLContext | None:
        """None for plain text. Reads files; raises ConfigurationError when one cannot be read."""
        if not self.speaks_tls:
            return None
        return tls_context(ca_file=self.ca_file, client_cert=self.client_cert, client_key=self.client_key)


def address_of(settings: Any) -> Address:
    """Out of settings that have all of its fields."""
    return Address(**{each.name: getattr(settings, each.name) for each in fields(Address)})
