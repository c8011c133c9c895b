"""What a subscription says of itself, without a message being pulled. A part of `pubsub`.

Permission: pubsub.subscriptions.get, which reading the subscription does not need.
"""

import os
from typing import Any

from watcher.kit.checkup import Found, Result
from watcher.kit.cloud_trouble import Kind, Trouble
from watcher.kit.google_address import PUBSUB_EMULATOR, PUBSUB_HOST
from watcher.kit.google_credentials import credentials_of
from watcher.kit.google_trouble import Asked, answered
from watcher.kit.grpc_environment import LOCAL, prepare
from watcher.kit.threads import in_a_thread
from watcher.kit.units import seconds
from watcher.sources.protocol import SourceError
from watcher.sources.pubsub_settings import PubsubSourceSettings

READS = "roles/pubsub.subscriber on the subscription"


class SubscriptionTroubleError(SourceError):
    """What came instead of an answer."""

    reason = "subscription-refused"

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.kind = trouble.kind


async def look(settings: PubsubSourceSettings) -> Found:
    """Raises SourceError: it cannot be reached, or is not there."""
    try:
        found = await in_a_thread(lambda: _subscription(settings), name="pubsub-probe")
    except SubscriptionTroubleError as error:
        if error.kind is Kind.DENIED:
            advice = f"pubsub.subscriptions.get (roles/pubsub.viewer) would show it; to read it takes {READS}"
            return Found(detail=f"{settings.subscription}: we may not look at it", result=Result.WARNING, advice=advice)
        if error.kind is Kind.CREDENTIALS:
            advice = f"credentials_file, or an identity of this machine, with {READS}"
            return Found(detail=str(error), result=Result.FAILED, advice=advice)
        raise
    if found.push_config.push_endpoint:
        advice = "make it a pull subscription, or take its messages by a source of type webhook"
        return Found(detail="it pushes its messages elsewhere", result=Result.FAILED, advice=advice)
    dead = found.dead_letter_policy
    detail = f"of {found.topic}"
    if not dead.dead_letter_topic:
        return Found(detail=f"{detail}; no dead letters")
    return Found(detail=f"{detail}; dead letters after {dead.max_delivery_attempts} deliveries")


def _subscription(settings: PubsubSourceSettings) -> Any:
    prepare()
    import grpc
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud import pubsub_v1
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    emulator = "" if settings.endpoint else os.environ.get(PUBSUB_EMULATOR, "")
    if settings.is_local or emulator:
        transport = SubscriberGrpcTransport(channel=grpc.insecure_channel(settings.endpoint or emulator, options=LOCAL))
    else:
        credentials = credentials_of(settings.credentials_file, name=settings.subscription, raising=SubscriptionTroubleError)
        transport = SubscriberGrpcTransport(
            host=settings.endpoint or PUBSUB_HOST, credentials=credentials, always_use_jwt_access=True
        )
    client: Any = pubsub_v1.SubscriberClient(transport=transport)
    asked = Asked(name=settings.subscription, noun="subscription", verb="look at", participle="looked at")
    try:
        return client.get_subscription(subscription=settings.subscription, retry=None, timeout=seconds(settings.timeout))
    except GoogleAPICallError as error:
        status: Any = error.grpc_status_code
        code = type(error).__name__ if status is None else status.name
        raise SubscriptionTroubleError(answered(asked, code, str(error.message))) from error
    finally:
        client.close()
