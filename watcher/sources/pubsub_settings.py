"""How a Pub/Sub source is configured, and what its endpoint says of the connection."""

import re

from watcher.kit.google_address import check_endpoint, is_local
from watcher.kit.units import Duration, Size, seconds, size_bytes
from watcher.sources.binding import EventSourceSettings

# Project: an id, a number, or `domain.com:id`. Subscription: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
_SUBSCRIPTION = re.compile(r"projects/[A-Za-z0-9.:-]{1,100}/subscriptions/[A-Za-z][A-Za-z0-9._~%+-]{0,254}")
MOST_MESSAGES = 10_000


class PubsubSourceSettings(
    EventSourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="pubsub"
):
    """Messages of a subscription of Google Cloud Pub/Sub, read by streaming pull, one body of events in each."""

    subscription: str  # its full name: "projects/PROJECT/subscriptions/NAME"; it exists, and has no push endpoint
    # Where the service is reached, as HOST or HOST:PORT: a regional endpoint (europe-west3-pubsub.googleapis.com) or an emulator.
    # Empty: the emulator in PUBSUB_EMULATOR_HOST, if that is set, or pubsub.googleapis.com. TLS and credentials are used everywhere
    # but on this machine ("localhost:8085") and with PUBSUB_EMULATOR_HOST.
    endpoint: str = ""
    # Messages received and not yet stored; no more are sent to us beyond. All of them share commits, and are given back at the end.
    max_messages: int = 500
    # Who we are, as a file that Google wrote: a service account's key, or a workload identity's configuration. It is read anew for
    # every connection. Empty: what the SDK finds on this machine.
    credentials_file: str = ""
    max_payload: Size = "1MiB"  # a larger message is recorded as rejected, and acknowledged: it would only come again
    timeout: Duration = "10s"  # for the service to answer

    def __post_init__(self) -> None:
        if not _SUBSCRIPTION.fullmatch(self.subscription):
            raise ValueError(f"subscription {self.subscription!r:.200} is not projects/PROJECT/subscriptions/NAME")
        check_endpoint(self.endpoint, credentials_file=self.credentials_file)
        if not 1 <= self.max_messages <= MOST_MESSAGES:
            raise ValueError(f"max_messages is between 1 and {MOST_MESSAGES}")
        if seconds(self.timeout) <= 0 or size_bytes(self.max_payload) < 1:
            raise ValueError("timeout and max_payload are more than nothing")

    @property
    def is_local(self) -> bool:
        return is_local(self.endpoint)
