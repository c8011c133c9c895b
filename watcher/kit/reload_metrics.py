"""Whether the configuration could be read again when that was asked for, as Prometheus says it of its own."""

from prometheus_client import CollectorRegistry, Gauge


class ReloadMetrics:
    """Made when there is a configuration, which counts as read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._successful = Gauge(
            "watcher_config_last_reload_successful",
            "1 when the configuration and its policies were read again the last time that was asked for, 0 when they were refused.",
            registry=registry,
        )
        self._success = Gauge(
            "watcher_config_last_reload_success_timestamp_seconds",
            "When the configuration that is in force was read, in seconds since 1970.",
            registry=registry,
        )
        self.succeeded()

    def succeeded(self) -> None:
        self._successful.set(1)
        self._success.set_to_current_time()

    def failed(self) -> None:
        self._successful.set(0)
