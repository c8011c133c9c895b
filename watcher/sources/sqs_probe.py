"""What a queue says of itself, without a message being received: each receipt counts towards its dead letters. A part of `sqs`.

Permission: sqs:GetQueueAttributes, which reading the queue does not need.
"""

from typing import Any

import msgspec

from watcher.kit.aws_trouble import Asked, translated
from watcher.kit.checkup import Found, Result
from watcher.kit.cloud_trouble import Kind, Trouble
from watcher.kit.threads import in_a_thread
from watcher.kit.units import seconds
from watcher.sources.protocol import SourceError
from watcher.sources.sqs_settings import SqsSourceSettings

READS = "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on the queue (kms:Decrypt where it is encrypted)"


class QueueTroubleError(SourceError):
    """What came instead of an answer."""

    reason = "queue-refused"

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.kind = trouble.kind


async def look(settings: SqsSourceSettings) -> Found:
    """Raises SourceError: it cannot be reached, or is not there."""
    try:
        attributes = await in_a_thread(lambda: _attributes(settings), name="sqs-probe")
    except QueueTroubleError as error:
        if error.kind is Kind.DENIED:
            advice = f"sqs:GetQueueAttributes would show it; to read it takes {READS}"
            return Found(detail=f"{settings.queue_url}: we may not look at it", result=Result.WARNING, advice=advice)
        if error.kind is Kind.CREDENTIALS:
            advice = f"this machine needs an AWS identity that may {READS}"
            return Found(detail=str(error), result=Result.FAILED, advice=advice)
        raise
    waiting, held = (attributes.get(f"ApproximateNumberOfMessages{name}", "?") for name in ("", "NotVisible"))
    redrive = redrive_of(attributes.get("RedrivePolicy", "{}"))
    detail = f"messages: {waiting} waiting, {held} being read"
    if not redrive:
        advice = "give the queue a redrive policy: what can never be taken in comes again until it is too old"
        return Found(detail=f"{detail}; no dead letters", result=Result.WARNING, advice=advice)
    return Found(detail=f"{detail}; dead letters after {redrive.get('maxReceiveCount', '?')} receipts")


def redrive_of(text: str) -> dict[str, Any]:
    """What becomes of what is never taken in; nothing where it cannot be read."""
    try:
        policy = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return policy if isinstance(policy, dict) else {}


def _attributes(settings: SqsSourceSettings) -> dict[str, str]:
    import boto3
    from botocore.config import Config

    limit = seconds(settings.timeout)
    config = Config(connect_timeout=limit, read_timeout=limit, retries={"total_max_attempts": 1})
    with translated(Asked(name=settings.queue_url, noun="queue"), "get queue attributes", QueueTroubleError):
        session: Any = boto3.session.Session()
        client: Any = session.client("sqs", region_name=settings.service_region, endpoint_url=settings.service_url, config=config)
        try:
            answer = client.get_queue_attributes(QueueUrl=settings.queue_url, AttributeNames=["All"])
        finally:
            client.close()
    attributes: dict[str, str] = answer.get("Attributes", {})
    return attributes
