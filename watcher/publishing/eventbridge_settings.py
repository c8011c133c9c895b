"""How an EventBridge publisher is configured."""

import re

from watcher.kit.aws_address import check_service, region_of_arn
from watcher.kit.units import Duration, seconds
from watcher.publishing.wanted import MessagePublisherSettings

_NAME = r"[/.A-Za-z0-9_-]{1,256}"
_BUS = re.compile(rf"{_NAME}|arn:[a-z0-9-]+:events:[a-z0-9-]+:[0-9]{{12}}:event-bus/{_NAME}")


class EventBridgePublisherSettings(
    MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="eventbridge"
):
    """Put a CloudEvent as the detail of an event on a bus of Amazon EventBridge. Who we are is what the AWS SDK finds."""

    bus: str = "default"  # its name, or its ARN where it is another account's or region's
    region: str = ""  # empty: the one in the ARN, else the one in the environment
    endpoint_url: str = ""  # where the service is reached, such as an endpoint in a VPC; empty: at Amazon
    timeout: Duration = "10s"  # to connect, and for the service to answer

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _BUS.fullmatch(self.bus):
            raise ValueError(f"bus {self.bus!r:.200} is neither a name nor arn:aws:events:REGION:ACCOUNT:event-bus/NAME")
        check_service(region=self.region, endpoint_url=self.endpoint_url)
        if seconds(self.timeout) <= 0:
            raise ValueError("timeout is more than nothing")

    @property
    def service_region(self) -> str | None:
        """None leaves it to the SDK."""
        return self.region or region_of_arn(self.bus)
