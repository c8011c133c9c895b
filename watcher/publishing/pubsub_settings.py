"""How a Pub/Sub publisher is configured."""

import re

from watcher.kit.google_address import check_endpoint, is_local
from watcher.kit.units import Duration, seconds
from watcher.publishing.wanted import MessagePublisherSettings

# Project: an id, a number, or `domain.com:id`. Topic: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
_TOPIC = re.compile(r"projects/[A-Za-z0-9.:-]{1,100}/topics/[A-Za-z][A-Za-z0-9._~%+-]{0,254}")


class PubsubPublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="pubsub"):
    """Publish a CloudEvent to a topic of Google Cloud Pub/Sub."""

    topic: str  # its full name: "projects/PROJECT/topics/NAME"
    # Where the service is reached, as HOST or HOST:PORT: a regional endpoint (europe-west3-pubsub.googleapis.com), which an order
    # of messages needs, or an emulator. Empty: the emulator in PUBSUB_EMULATOR_HOST, if that is set, or pubsub.googleapis.com. TLS
    # and credentials are used everywhere but on this machine ("localhost:8085") and with PUBSUB_EMULATOR_HOST.
    endpoint: str = ""
    # Who we are, as a file that Google wrote: a service account's key, or a workload identity's configuration. It is read anew
    # after a refusal. Empty: what the SDK finds on this machine.
    credentials_file: str = ""
    timeout: Duration = "10s"  # for the service to answer

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _TOPIC.fullmatch(self.topic):
            raise ValueError(f"topic {self.topic!r:.200} is not projects/PROJECT/topics/NAME")
        check_endpoint(self.endpoint, credentials_file=self.credentials_file)
        if seconds(self.timeout) <= 0:
            raise ValueError("timeout is more than nothing")

    @property
    def is_local(self) -> bool:
        return is_local(self.endpoint)
