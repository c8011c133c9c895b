"""How an SQS publisher is configured."""

from watcher.kit.aws_address import check_queue_url, check_service, queue_region, queue_service
from watcher.kit.units import Duration, seconds
from watcher.publishing.wanted import MessagePublisherSettings


class SqsPublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sqs"):
    """Send a CloudEvent to a queue of Amazon SQS. Who we are is what the AWS SDK finds on the machine."""

    queue_url: str  # as AWS shows it; with `.fifo` at its end, verdicts of a repository keep their order
    region: str = ""  # empty: the one in `queue_url`, else the one in the environment
    # Where the service is reached, such as an endpoint in a VPC. Empty: at Amazon, or at the host of `queue_url` if it is another.
    endpoint_url: str = ""
    timeout: Duration = "10s"  # to connect, and for the service to answer

    def __post_init__(self) -> None:
        super().__post_init__()
        check_queue_url(self.queue_url)
        check_service(region=self.region, endpoint_url=self.endpoint_url)
        if seconds(self.timeout) <= 0:
            raise ValueError("timeout is more than nothing")

    @property
    def service_region(self) -> str | None:
        return self.region or queue_region(self.queue_url)

    @property
    def service_url(self) -> str | None:
        return self.endpoint_url or queue_service(self.queue_url)
