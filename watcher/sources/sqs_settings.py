"""How an SQS source is configured, and what a queue's URL tells of its service."""

from watcher.kit.aws_address import check_queue_url, check_service, queue_region, queue_service
from watcher.kit.units import Duration, seconds
from watcher.sources.binding import EventSourceSettings

LONGEST_WAIT_SECONDS = 20  # all of these are the service's
LONGEST_VISIBILITY_SECONDS = 12 * 3600


class SqsSourceSettings(EventSourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sqs"):
    """Messages of a queue of Amazon SQS, one body of events in each. Who we are is what the AWS SDK finds on the machine."""

    queue_url: str  # as AWS shows it: "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
    region: str = ""  # empty: the one in `queue_url`, else the one in the environment
    # Where the service is reached, such as an endpoint in a VPC. Empty: at Amazon, or at the host of `queue_url` if it is another.
    endpoint_url: str = ""
    receivers: int = 2  # polls at a time, each on a thread of its own; one takes in some hundred messages a second
    wait: Duration = "20s"  # how long a poll waits for a message; the service's maximum, because every poll is paid for
    # How long nobody else is given a message that we have. It is extended while a message waits to be stored, so this is also how
    # long one is missing that was received by a watcher that was killed. It replaces the queue's own.
    visibility_timeout: Duration = "30s"
    in_flight: int = 100  # messages received and not yet deleted; no more are asked for beyond
    timeout: Duration = "10s"  # for the service to answer, beyond `wait`

    def __post_init__(self) -> None:
        check_queue_url(self.queue_url)
        check_service(region=self.region, endpoint_url=self.endpoint_url)
        if not 1 <= self.receivers <= 100:
            raise ValueError("receivers is between 1 and 100")
        if not 1 <= self.in_flight <= 10_000:
            raise ValueError("in_flight is between 1 and 10000")
        if not _whole_between(self.wait, 1, LONGEST_WAIT_SECONDS):
            raise ValueError(f"wait is whole seconds between 1s and {LONGEST_WAIT_SECONDS}s")
        if not _whole_between(self.visibility_timeout, 1, LONGEST_VISIBILITY_SECONDS):
            raise ValueError("visibility_timeout is whole seconds between 1s and 12h")
        if seconds(self.timeout) <= 0:
            raise ValueError("timeout is more than nothing")

    @property
    def service_region(self) -> str | None:
        """None leaves it to the SDK."""
        return self.region or queue_region(self.queue_url)

    @property
    def service_url(self) -> str | None:
        """None leaves it to the SDK, which may be told another by its environment."""
        return self.endpoint_url or queue_service(self.queue_url)


def _whole_between(duration: Duration, least: int, most: int) -> bool:
    return seconds(duration).is_integer() and least <= seconds(duration) <= most
