"""One topic of Pub/Sub, on threads: each message is a call of its own, which is answered before it counts.

This is the SDK's plain client. The one that it gives to publishers gathers messages, tries for ten minutes on threads that nothing
can end, and stops a key of which one message failed until somebody resumes it. Here the outbox does all of that, and never has two
messages of one key under way.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from watcher.kit.cloud_trouble import Kind, Trouble
from watcher.kit.google_address import PUBSUB_HOST
from watcher.kit.google_credentials import credentials_of
from watcher.kit.google_trouble import Asked, answered
from watcher.kit.grpc_environment import LOCAL, prepare
from watcher.kit.retry_after import pause_seconds
from watcher.kit.threads import Threads
from watcher.model.errors import RetryableError
from watcher.publishing.cloud_errors import DestinationUnreachableError, destination_error

T = TypeVar("T")

# As many as one destination is told at a time.
AT_ONCE = 8
# As the SDK makes its own channels, but for what a proxy or a dead service would let grow.
CHANNEL_OPTIONS = (("grpc.keepalive_time_ms", 30_000), *LOCAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Which topic, where, and as whom. `endpoint` empty: Google's; `credentials_file` empty: what the machine has.

    `is_plain`: without TLS, and so without credentials.
    """

    topic: str
    endpoint: str
    is_plain: bool
    credentials_file: str
    timeout_seconds: float


class PubsubClient:
    """Connects at the first call.

    Raises of every call:
        RetryableError, PermanentError: it was not done, or nobody knows; see `destination_error`.
    """

    def __init__(self, address: Address, *, name: str) -> None:
        self._address = address
        self._asked = Asked(name=address.topic, noun="topic", verb="publish to", participle="published to")
        self._threads = Threads(AT_ONCE, name=f"pubsub-publish:{name}")
        self._building = threading.Lock()
        self._built: Any = None

    async def find(self) -> None:
        """Whether the topic is there."""

        def find(client: Any) -> None:
            client.get_topic(topic=self._address.topic, retry=None, timeout=self._address.timeout_seconds)

        await self._threads.call(lambda: self._call(find))

    async def publish(self, data: bytes, attributes: Mapping[str, str], *, ordering_key: str) -> None:
        """After this returns the topic has it."""

        def publish(client: Any) -> None:
            message = {"data": data, "attributes": dict(attributes), "ordering_key": ordering_key}
            client.publish(topic=self._address.topic, messages=[message], retry=None, timeout=self._address.timeout_seconds)

        await self._threads.call(lambda: self._call(publish))

    def close(self) -> None:
        """Waits for nothing: a thread that is still in a call ends after it."""
        self._threads.close()
        self._forget()

    def _call(self, work: Callable[[Any], T]) -> T:
        from google.api_core.exceptions import GoogleAPICallError

        try:
            try:
                return work(self._client())
            except GoogleAPICallError as error:
                status = error.grpc_status_code
                code = type(error).__name__ if status is None else status.name
                said = answered(self._asked, code, str(error.message), wait_seconds=_asked_seconds(error))
                raise destination_error(said) from error
            except ValueError as error:  # the channel was closed meanwhile, by a thread that met a refusal
                trouble = Trouble(kind=Kind.UNREACHABLE, text=f"{self._address.topic}: the connection was closed")
                raise destination_error(trouble) from error
        except DestinationUnreachableError:
            raise
        except RetryableError:
            # Whatever a person changes, a file of credentials above all, is read by a new client only.
            self._forget()
            raise

    def _forget(self) -> None:
        with self._building:
            built, self._built = self._built, None
        if built is not None:
            built.transport.close()

    def _client(self) -> Any:
        with self._building:
            if self._built is None:
                self._built = self._build()
            return self._built

    def _build(self) -> Any:
        prepare()
        import grpc
        from google.pubsub_v1 import PublisherClient
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

        # Given a transport, the client takes no other endpoint from the environment.
        address = self._address
        transport: Any
        if address.is_plain:
            transport = PublisherGrpcTransport(channel=grpc.insecure_channel(address.endpoint, options=CHANNEL_OPTIONS))
        else:
            credentials = credentials_of(address.credentials_file, name=address.topic, raising=destination_error)
            host = address.endpoint or PUBSUB_HOST
            transport = PublisherGrpcTransport(host=host, credentials=credentials, always_use_jwt_access=True)
        return PublisherClient(transport=transport)


def _asked_seconds(error: Any) -> float | None:
    """How long the service wants to be left alone, by the RetryInfo of its answer."""
    from google.rpc.error_details_pb2 import RetryInfo

    for detail in error.details or ():
        if isinstance(detail, RetryInfo):
            return pause_seconds(detail.retry_delay.ToTimedelta().total_seconds())
    return None
