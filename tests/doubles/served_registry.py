"""The in-memory registry beside a test that is not asynchronous: in a thread of its own, asked and changed from outside."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from watcher.model.digest import Digest
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, put_image
from watcher.testing.notifications import Endpoint
from watcher.testing.registry import MemoryRegistry, serve_registry

T = TypeVar("T")
SECONDS = 30.0


class ServedRegistry:
    """A `MemoryRegistry` that serves until `close`. Its state is touched on its own loop only, through `ask`."""

    def __init__(self, notify: Endpoint | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._notify = notify
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="registry", daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS), "the registry did not start"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serve_registry(notify=self._notify, tls=self._tls) as registry:
            self._registry = registry
            self.host, self.url = registry.host, registry.url
            self._ready.set()
            await self._stop.wait()

    def ask(self, question: Callable[[MemoryRegistry], T]) -> T:
        """What `question` says of the registry, while nothing else happens to it."""

        async def run() -> T:
            return question(self._registry)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(SECONDS)

    def put(self, repository: str, image: BuiltImage, tag: str = "v1") -> Digest:
        """Hold an image, without a request and without an event."""
        return self.ask(lambda registry: put_image(registry, repository, image, tag))

    def fault(self, **what: Any) -> None:
        self.ask(lambda registry: registry.faults.add(Fault(**what)))

    def heal(self) -> None:
        self.ask(lambda registry: registry.faults.clear())

    def saw(self, method: str, path: str) -> bool:
        """Whether such a request has arrived; `path` is the beginning of its path."""
        return self.ask(lambda registry: any(each.method == method and each.path.startswith(path) for each in registry.seen))

    def manifests(self, repository: str) -> dict[str, dict[str, Any]]:
        """The manifests of a repository by digest, as JSON."""
        return self.ask(
            lambda registry: {digest: dict(each.body) for digest, each in registry.content.existing(repository).manifests.items()}
        )

    def tags(self, repository: str) -> set[str]:
        return self.ask(lambda registry: set(registry.content.existing(repository).tags))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)
