"""Calls to one service of AWS, on threads of their own. Who we are is what its SDK finds on the machine."""

import threading
from collections.abc import Mapping
from typing import Any

from watcher.kit.aws_trouble import Asked, translated
from watcher.kit.threads import Threads
from watcher.model.errors import RetryableError
from watcher.publishing.cloud_errors import DestinationDeniedError, DestinationUnreachableError, destination_error

# As many as one destination is told at a time.
AT_ONCE = 8


class AwsClient:
    """Connects at the first call. `service` is its name in the SDK; None for `region` and `endpoint_url` leaves them to the SDK."""

    def __init__(
        self, service: str, asked: Asked, *, region: str | None, endpoint_url: str | None, timeout_seconds: float, name: str
    ) -> None:
        self._service = service
        self._asked = asked
        self._region = region
        self._endpoint_url = endpoint_url
        self._timeout_seconds = timeout_seconds
        self._threads = Threads(AT_ONCE, name=f"{service}-publish:{name}")
        self._building = threading.Lock()
        self._built: Any = None

    async def call(self, method: str, gives: str, **request: Any) -> Mapping[str, Any]:
        """What the service answers to the SDK's `method`. `gives` is always in it.

        Raises:
            RetryableError, PermanentError: it did not do it, or nobody knows; see `destination_error`.
        """
        return await self._threads.call(lambda: self._call(method, gives, request))

    async def find(self, method: str, gives: str, **request: Any) -> None:
        """Ask for what is published to, where we may; who may publish to it need not be allowed to look at it. Raises as `call`."""
        try:
            await self.call(method, gives, **request)
        except DestinationDeniedError:
            return

    def close(self) -> None:
        """Waits for nothing: a thread that is still in a call ends after it."""
        self._threads.close()
        self._forget()

    def _call(self, method: str, gives: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            with translated(self._asked, method.replace("_", " "), destination_error):
                answer: Mapping[str, Any] = getattr(self._client(), method)(**request)
        except DestinationUnreachableError:
            raise
        except RetryableError:
            # Whatever a person changes, files of credentials above all, is read by a new client only.
            self._forget()
            raise
        if not answer.get(gives):
            # The SDK takes a page that a proxy answers for an answer without anything in it.
            raise DestinationUnreachableError(f"{self._asked.name}: something answered that is not AWS")
        return answer

    def _forget(self) -> None:
        with self._building:
            built, self._built = self._built, None
        if built is not None:
            built.close()

    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        with self._building:
            if self._built is None:
                config = Config(
                    connect_timeout=self._timeout_seconds,
                    read_timeout=self._timeout_seconds,
                    retries={"total_max_attempts": 1},  # ours is the outbox
                    max_pool_connections=AT_ONCE,
                    tcp_keepalive=True,
                )
                # A session of its own: the default one must not be used by two threads.
                session: Any = boto3.session.Session()
                self._built = session.client(
                    self._service, region_name=self._region, endpoint_url=self._endpoint_url, config=config
                )
            return self._built
