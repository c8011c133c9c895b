"""Put verdicts on a bus of Amazon EventBridge: the detail is the whole CloudEvent, whose attributes rules can match.

Permissions: events:PutEvents on the bus. With events:DescribeEventBus it is known at the start whether the bus is there; one that
is not there takes events as well, and nobody gets them.

Spec: Amazon EventBridge API Reference, 2015-10-07, PutEvents.
"""

from watcher.kit.aws_trouble import Asked, answered
from watcher.kit.units import seconds
from watcher.model.verdict import Verdict
from watcher.publishing.aws_client import AwsClient
from watcher.publishing.cloud_errors import destination_error
from watcher.publishing.cloudevent import VERDICT_TYPE, verdict_event
from watcher.publishing.context import PublisherContext
from watcher.publishing.eventbridge_settings import EventBridgePublisherSettings
from watcher.publishing.protocol import Progress

SOURCE = "registry-watcher"


class EventBridgePublisher:
    """One bus."""

    def __init__(self, settings: EventBridgePublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._bus = settings.bus
        self._links = context.links
        self._asked = Asked(name=settings.bus, noun="bus")
        self._client = AwsClient(
            "events",
            self._asked,
            region=settings.service_region,
            endpoint_url=settings.endpoint_url or None,
            timeout_seconds=seconds(settings.timeout),
            name=self.name,
        )

    async def open(self) -> None:
        await self._client.find("describe_event_bus", "Arn", Name=self._bus)

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        """A call can succeed although nothing in it did: each entry has its own answer."""
        event = verdict_event(verdict, link=self._links.verdict(verdict)).decode()
        entry = {"Source": SOURCE, "DetailType": VERDICT_TYPE, "Detail": event, "EventBusName": self._bus}
        answer = await self._client.call("put_events", "Entries", Entries=[entry])
        for each in answer["Entries"]:
            if not each.get("EventId"):
                code, detail = str(each.get("ErrorCode", "InternalFailure")), str(each.get("ErrorMessage", ""))
                raise destination_error(answered(self._asked, "put events", code=code, detail=detail))

    async def aclose(self) -> None:
        self._client.close()
