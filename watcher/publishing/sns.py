"""Publish verdicts to a topic of Amazon SNS, as CloudEvents in structured mode with attributes for filter policies.

Permissions: sns:Publish on the topic; kms:GenerateDataKey and kms:Decrypt on the key of an encrypted one. With
sns:GetTopicAttributes it is known at the start whether the topic is there.

Spec: Amazon SNS API Reference, 2010-03-31, Publish.
"""

from watcher.kit.aws_trouble import Asked
from watcher.kit.units import seconds
from watcher.model.verdict import Verdict
from watcher.publishing.aws_client import AwsClient
from watcher.publishing.aws_message import attributes_of, fifo_ids
from watcher.publishing.cloudevent import verdict_event
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import Progress
from watcher.publishing.sns_settings import SnsPublisherSettings


class SnsPublisher:
    """One topic."""

    def __init__(self, settings: SnsPublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._arn = settings.topic_arn
        self._links = context.links
        self._client = AwsClient(
            "sns",
            Asked(name=settings.topic_arn, noun="topic"),
            region=settings.service_region,
            endpoint_url=settings.endpoint_url or None,
            timeout_seconds=seconds(settings.timeout),
            name=self.name,
        )

    async def open(self) -> None:
        await self._client.find("get_topic_attributes", "Attributes", TopicArn=self._arn)

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        await self._client.call(
            "publish",
            "MessageId",
            TopicArn=self._arn,
            Message=verdict_event(verdict, link=self._links.verdict(verdict)).decode(),
            MessageAttributes=attributes_of(verdict),
            **fifo_ids(verdict, self._arn),
        )

    async def aclose(self) -> None:
        self._client.close()
