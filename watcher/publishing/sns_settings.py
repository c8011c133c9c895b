"""How an SNS publisher is configured."""

import re

from watcher.kit.aws_address import check_service, region_of_arn
from watcher.kit.units import Duration, seconds
from watcher.publishing.wanted import MessagePublisherSettings

_TOPIC = re.compile(r"arn:[a-z0-9-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")


class SnsPublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sns"):
    """Publish a CloudEvent to a topic of Amazon SNS. Who we are is what the AWS SDK finds on the machine."""

    topic_arn: str  # "arn:aws:sns:REGION:ACCOUNT:NAME"; with `.fifo` at its end, verdicts of a repository keep their order
    endpoint_url: str = ""  # where the service is reached, such as an endpoint in a VPC; empty: at Amazon
    timeout: Duration = "10s"  # to connect, and for the service to answer

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _TOPIC.fullmatch(self.topic_arn):
            raise ValueError(f"topic_arn {self.topic_arn!r:.200} is not arn:aws:sns:REGION:ACCOUNT:NAME")
        check_service(region="", endpoint_url=self.endpoint_url)
        if seconds(self.timeout) <= 0:
            raise ValueError("timeout is more than nothing")

    @property
    def service_region(self) -> str | None:
        return region_of_arn(self.topic_arn)
