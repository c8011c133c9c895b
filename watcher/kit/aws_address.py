"""Where a service of AWS is, by what a configuration writes: regions in names of things, and endpoints that are not Amazon's."""

import re
from urllib.parse import urlsplit

from watcher.model.amazon import ALL_DOMAINS, DOMAINS

# Amazon's own names of SQS: regional, FIPS, dual stack, and the names of before 2010. The SDK knows how to reach these.
_QUEUES = re.compile(
    rf"sqs(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:{ALL_DOMAINS})"
    r"|(?:(?P<former>[a-z0-9-]+)\.)?queue\.amazonaws\.com(?:\.cn)?"
)
# An interface endpoint in a VPC: reached under its own name.
_QUEUES_OF_VPC = re.compile(rf"[a-z0-9-]+\.sqs\.(?P<region>[a-z0-9-]+)\.vpce\.(?:{DOMAINS})")
FIRST_REGION = "us-east-1"  # the one that queue.amazonaws.com is in


def check_queue_url(queue_url: str) -> None:
    """Raises ValueError."""
    if not _is_http(queue_url) or not urlsplit(queue_url).path.strip("/"):
        # Not repeated: who writes credentials into it must not find them in a log.
        raise ValueError("queue_url is no URL of a queue, such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")


def check_service(*, region: str, endpoint_url: str) -> None:
    """Either may be empty. Raises ValueError."""
    if endpoint_url and not _is_http(endpoint_url):
        raise ValueError("endpoint_url is no URL with http or https and a host, and without a user")
    if region and not re.fullmatch(r"[a-z0-9-]{1,63}", region):
        raise ValueError(f"region {region!r:.200} is no name such as eu-west-1")


def queue_region(queue_url: str) -> str | None:
    """The one in the name of its host; None leaves it to the SDK."""
    host = urlsplit(queue_url).hostname or ""
    if known := _QUEUES.fullmatch(host):
        return known["region"] or known["former"] or FIRST_REGION
    private = _QUEUES_OF_VPC.fullmatch(host)
    return private["region"] if private else None


def queue_service(queue_url: str) -> str | None:
    """Where the service of a queue is reached; None leaves it to the SDK, which may be told another by its environment."""
    parts = urlsplit(queue_url)
    return None if _QUEUES.fullmatch(parts.hostname or "") else f"{parts.scheme}://{parts.netloc}"


def region_of_arn(arn: str) -> str | None:
    """`arn:PARTITION:SERVICE:REGION:ACCOUNT:…`; None of anything else."""
    parts = arn.split(":")
    return parts[3] or None if len(parts) > 5 and parts[0] == "arn" else None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return False
