"""Send verdicts to a queue of Amazon SQS, as CloudEvents in structured mode with attributes beside them.

Permissions: sqs:SendMessage on the queue; kms:GenerateDataKey and kms:Decrypt on the key of an encrypted one. With
sqs:GetQueueAttributes it is known at the start whether the queue is there.

Spec: Amazon SQS API Reference, 2012-11-05, SendMessage.
"""

from watcher.kit.aws_trouble import Asked
from watcher.kit.units import seconds
from watcher.model.verdict import Verdict
from watcher.publishing.aws_client import AwsClient
from watcher.publishing.aws_message import attributes_of, fifo_ids
from watcher.publishing.cloudevent import verdict_event
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import Progress
from watcher.publishing.sqs_settings import SqsPublisherSettings


class SqsPublisher:
    """One queue."""

    def __init__(self, settings: SqsPublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._url = settings.queue_url
        self._links = context.links
        self._client = AwsClient(
            "sqs",
            Asked(name=settings.queue_url, noun="queue"),
            region=settings.service_region,
            endpoint_url=settings.service_url,
            timeout_seconds=seconds(settings.timeout),
            name=self.name,
        )

    async def open(self) -> None:
        await self._client.find("get_queue_attributes", "Attributes", QueueUrl=self._url, AttributeNames=["QueueArn"])

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        await self._client.call(
            "send_message",
            "MessageId",
            QueueUrl=self._url,
            MessageBody=verdict_event(verdict, link=self._links.verdict(verdict)).decode(),
            MessageAttributes=attributes_of(verdict),
            **fifo_ids(verdict, self._url),
        )

    async def aclose(self) -> None:
        self._client.close()
