"""Tell people, by one of the services that apprise knows: chats, mail, paging."""

import asyncio
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watcher.kit.netrc import forget_netrc
from watcher.kit.secret import resolve
from watcher.kit.threads import in_a_thread
from watcher.model.errors import ConfigurationError
from watcher.model.verdict import Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.message import Message
from watcher.publishing.notify_channel import channel_of, incident_of, is_mail, keeps_incidents
from watcher.publishing.notify_result import NotifyGoesOnError, NotifyUnavailableError, failure
from watcher.publishing.notify_settings import NotifyPublisherSettings
from watcher.publishing.protocol import News, Progress
from watcher.publishing.summary import summary_message
from watcher.publishing.verdict_message import verdict_message

if TYPE_CHECKING:
    from apprise import Apprise

# For a connection and for an answer, unless a URL says otherwise by `cto` and `rto`. Apprise's own four are few for a busy chat.
TIMEOUT_SECONDS = 10.0
# The longest that a URL may ask for.
MAX_TIMEOUT_SECONDS = 30.0
# Between two messages to a service of which apprise knows no rate. It takes five and a half; one that minds answers 429.
PAUSE_SECONDS = 1.0
# A pager that rings for more than that at once is answered by one person all the same.
MOST_INCIDENTS = 20
# For those of one attempt, well below what the announcer allows.
TOGETHER_SECONDS = 60.0
# What a server can draw out, answering a byte at a time, or a resolver.
SEND_SECONDS = 60.0


class NotifyPublisher:
    """One URL of apprise. One message at a time: whatever a service does, it holds one thread.

    That thread is not waited for longer than `send_seconds`, and the next message is not sent before it has ended.
    """

    def __init__(
        self,
        settings: NotifyPublisherSettings,
        context: PublisherContext,
        *,
        send_seconds: float = SEND_SECONDS,
        together_seconds: float = TOGETHER_SECONDS,
    ) -> None:
        self.name = settings.name
        self._outcomes = settings.outcomes
        self._links = context.links
        self._apprise = _loaded(settings)
        self._service: Any = self._apprise[0]
        self._channel = channel_of(self._service)
        self._keeps_incidents = keeps_incidents(self._service)
        self._send_seconds = send_seconds
        self._together_seconds = together_seconds
        self._told: set[str] = set()  # verdicts of a message that goes on
        self._turn = asyncio.Lock()
        self._sending: asyncio.Future[Any] | None = None

    async def open(self) -> None:
        """Few services can be asked without telling them something."""

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        await self._tell(News(verdict=verdict))

    async def publish_together(self, news: Sequence[News], held: str) -> None:
        """Say what they have in common. What keeps incidents is told of each: it has its own key, so that twice is as once."""
        if self._keeps_incidents:
            # What is over ends its own incident, however much is over.
            over = [each for each in news if each.verdict.outcome not in self._outcomes or len(news) <= MOST_INCIDENTS]
            await self._tell_each(over)
            news = [each for each in news if each not in over]
        elif len(news) == 1 and not held:
            await self._tell(news[0])
            return
        if not news:
            return
        link = self._links.newest(self._outcomes[0]) if self._outcomes else None
        await self.send(summary_message(news, outcomes=self._outcomes, held=held, link=link))

    async def send(self, message: Message) -> None:
        """Say it once. Raises as `publish` does."""
        written = self._channel.written(message)
        async with self._turn:
            if self._sending is not None:
                # Whoever waited for it gave up, or was cancelled; a second thread for a service that hangs would not be the last.
                await self._ended(self._sending)
            if self._keeps_incidents:
                incident_of(self._service, message)
            await self._send(written)

    async def aclose(self) -> None:
        """A thread that still sends keeps no process alive."""

    async def _tell_each(self, news: Sequence[News]) -> None:
        """One after the other. What takes too long goes on with the next attempt, after those that were told.

        Raises:
            NotifyGoesOnError: there is more to tell.
        """
        loop = asyncio.get_running_loop()
        ends_at: float | None = None  # known once there was one: each attempt gets on
        for each in news:
            if each.verdict.id in self._told:
                continue
            if ends_at is not None and loop.time() > ends_at:
                raise NotifyGoesOnError(f"notify {self.name}: there is more to tell", retry_after_seconds=1.0)
            ends_at = ends_at or loop.time() + self._together_seconds
            await self._tell(each)
            self._told.add(each.verdict.id)
        self._told.clear()

    async def _tell(self, news: News) -> None:
        """What is resolved ends what was begun for the image that was told of, which may be another one of the same tag."""
        verdict, told = news.verdict, news.told
        resolved = verdict.outcome not in self._outcomes
        ended = told if resolved else None
        if self._keeps_incidents and not resolved and told is not None and told.subject.name != verdict.subject.name:
            # The tag leads to another image, which fails as well: there is one incident for it, not one for each.
            await self.send(verdict_message(verdict, resolved=True, ended=told))
        await self.send(verdict_message(verdict, resolved=resolved, ended=ended, link=self._links.verdict(verdict)))

    async def _send(self, written: Mapping[str, Any]) -> None:
        self._sending = in_a_thread(lambda: self._apprise.notify(**written, log_level=logging.DEBUG), name=f"notify-{self.name}")
        sending = self._sending
        await self._ended(sending)
        result = sending.result()
        if not result:
            logs = [entry.message for each in result for entry in each.logs()]
            raise failure(self.name, str(self._service.service_name), logs, mail=is_mail(self._service))

    async def _ended(self, sending: asyncio.Future[Any]) -> None:
        done, _ = await asyncio.wait({sending}, timeout=self._send_seconds)
        if not done:
            raise NotifyUnavailableError(f"notify {self.name}: no answer within {self._send_seconds:g} seconds")
        self._sending = None


def _loaded(settings: NotifyPublisherSettings) -> "Apprise":
    """Apprise with the one service of the one URL.

    Raises:
        ConfigurationError: the secret cannot be read, or is not one URL of a service. What it is instead is not said.
    """
    (reference,) = settings.urls
    url = resolve(reference).reveal().strip()
    where = f"publisher {settings.name}: what {reference} holds"
    # It logs at import, and whole URLs when they are wrong. What it says of a message is in the result of sending it.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())

    forget_netrc()
    from apprise import Apprise, AppriseAsset, NotifyBase, OverflowMode
    from apprise.url import URLBase
    from apprise.utils.parse import parse_urls

    if len(parse_urls(url)) > 1:  # type: ignore[no-untyped-call]  # as apprise would take it apart
        raise ConfigurationError(f"{where} is more than one URL; give each a reference of its own in `urls`")
    asset = AppriseAsset(
        app_id="Registry Watcher",
        app_desc="Registry Watcher",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        interpret_emojis=False,
        service_timeout=0,  # or it sends from a thread of its own, which the process would wait for at its end
    )
    # It reads all its plugins here, some of which want modules of Python that are on their way out.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        service = Apprise.instantiate(url, asset=asset)
    if service is None:
        raise ConfigurationError(f"{where} is no URL of a service that apprise knows: https://appriseit.com/services/")
    # Whether a message is tried again is a matter of the outbox; one that failed has failed; and it is one message.
    service.retry, service.optional, service.overflow_mode = 0, False, OverflowMode.UPSTREAM
    if service.request_rate_per_sec == NotifyBase.request_rate_per_sec:
        service.request_rate_per_sec = PAUSE_SECONDS
    for timeout in ("socket_connect_timeout", "socket_read_timeout"):
        asked = getattr(service, timeout)
        seconds = (
            TIMEOUT_SECONDS if asked == getattr(URLBase, timeout) else min(float(asked or TIMEOUT_SECONDS), MAX_TIMEOUT_SECONDS)
        )
        setattr(service, timeout, seconds)
    return Apprise(service, asset=asset)
