"""When the certificate that the server shows ends, so that somebody hears before its senders do."""

import math

from prometheus_client import CollectorRegistry, Gauge


class CertificateMetrics:
    """Made where there is a certificate."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._expires = Gauge(
            "watcher_server_certificate_expires_timestamp_seconds",
            "When the certificate that the server shows ends, in seconds since 1970.",
            registry=registry,
        )
        self.show(math.nan)

    def show(self, expires_at: float) -> None:
        """In seconds since 1970; NaN where that is not known, of which no alert says that it is soon."""
        self._expires.set(expires_at)
