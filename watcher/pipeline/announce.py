"""The third loop: outbox → publishers. At least once; a publication that fails waits, its neighbours do not."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NoReturn

import structlog

from watcher.model.errors import PermanentError, RetryableError
from watcher.model.reference import Host
from watcher.pipeline.outages import Outages
from watcher.pipeline.settling import settled
from watcher.publishing.protocol import Publisher
from watcher.store.protocol import Outbox, Publication, Published, PublishFailed, PublishLater, VerdictStore

log = structlog.get_logger(__name__)

# Publications are small requests to a handful of destinations; more at once would only queue at the registry.
CONCURRENCY = 8
# A publisher has its own shorter limits; this one ends a publisher that forgot.
PUBLISH_SECONDS = 120.0
IDLE_SECONDS = 1.0

Result = Published | PublishLater | PublishFailed


@dataclass(slots=True, kw_only=True)
class Announcer:
    """`counted` is told (publisher, result). `outages` is of publishers, each for the images of one registry."""

    outbox: Outbox
    verdicts: VerdictStore
    publishers: Mapping[str, Publisher]
    counted: Callable[[str, str], None]
    outages: Outages[tuple[str, Host]] = field(default_factory=lambda: Outages(kind="publisher", label=destination_name))
    _running: dict[int, Publication] = field(default_factory=dict, init=False)  # by id

    async def open(self) -> None:
        """Say of every destination how it is, once. What has to be published waits for none of them."""
        async with asyncio.TaskGroup() as group:
            for publisher in self.publishers.values():
                group.create_task(_open(publisher), name=f"open-{publisher.name}")

    async def run(self, publications: asyncio.TaskGroup) -> NoReturn:
        """Take what is due until cancelled. It is made in `publications`, and goes on when this loop fails and is run again.

        What is under way when `publications` is cancelled is announced again later.
        """
        while True:
            working = tuple(self._running.values())
            due = await self._due(working) if len(working) < CONCURRENCY else ()
            if not due:
                await self.outbox.wait(IDLE_SECONDS)
            for publication in due:
                self.outages.begun(_destination(publication), publication.id)
                self._running[publication.id] = publication
                publications.create_task(self._work(publication), name=f"announce-{publication.id}")

    async def _work(self, publication: Publication) -> None:
        try:
            await self.announce(publication)
        except Exception:  # by a mistake of ours, which must not end the publications beside it
            # The lease runs out by itself and the publication is made again, which is harmless.
            log.exception("publication.unsettled", publisher=publication.publisher)
        finally:
            self.outages.given_up(_destination(publication), publication.id)
            # What has passed to another holder, and from him back to us, is still under way.
            if self._running.get(publication.id) is publication:
                del self._running[publication.id]

    async def announce(self, publication: Publication) -> None:
        """Make one publication and settle it."""
        result = await self._publish(publication)
        self.counted(publication.publisher, _word(result))
        settle = partial(self.outbox.settle, publication, self._together(publication, result))
        failed = await settled(settle, told=log.bind(publisher=publication.publisher), event="publication.unsettled")
        if failed is not None:
            if failed != result:
                self.counted(publication.publisher, _word(failed))
            log.error(
                "publication.failed",
                publisher=publication.publisher,
                image=publication.subject,
                verdict_id=publication.verdict_id,
                reason=failed.reason,
                detail=failed.detail,
                attempt=publication.attempt,
            )

    def _together(self, publication: Publication, result: Result) -> Result:
        """What met a destination that does not answer waits for it together with all others."""
        later = result if isinstance(result, PublishLater) else None
        reason, asked = (later.reason, later.delay_seconds) if later else ("", None)
        seconds = self.outages.ended(_destination(publication), publication.id, reason, asked)
        return result if later is None or seconds is None else replace(later, delay_seconds=seconds)

    async def _due(self, working: Sequence[Publication]) -> Sequence[Publication]:
        return await self.outbox.due(1, working=working, without=self.outages.closed())

    async def _publish(self, publication: Publication) -> Result:
        publisher = self.publishers.get(publication.publisher)
        if publisher is None:
            return PublishFailed(reason="no-such-publisher", detail=f"{publication.publisher} is no longer configured")
        try:
            verdict = await self.verdicts.verdict(publication.verdict_id)
            if verdict is None:
                return PublishFailed(reason="no-such-verdict", detail="the verdict was removed")
            async with asyncio.timeout(PUBLISH_SECONDS):
                await publisher.publish(verdict, Noted(self.outbox, publication))
        except RetryableError as error:
            asked = error.retry_after_seconds
            return PublishLater(reason=error.reason, detail=str(error), delay_seconds=asked, outside=error.outside)
        except PermanentError as error:
            return PublishFailed(reason=error.reason, detail=str(error))
        except TimeoutError:
            detail = f"{publication.publisher} took longer than {PUBLISH_SECONDS:.0f} s"
            return PublishLater(reason="timed-out", detail=detail, outside=True)
        except Exception as error:  # the job boundary: one bad verdict must not stop the others
            log.exception("publication.crashed", publisher=publication.publisher, verdict_id=publication.verdict_id)
            return PublishLater(reason="internal", detail=type(error).__name__)
        return Published()


class Noted:
    """`Progress` of watcher/publishing/protocol.py, kept with the publication."""

    def __init__(self, outbox: Outbox, publication: Publication) -> None:
        self.noted = publication.progress
        self._outbox = outbox
        self._publication = publication

    async def note(self, text: str) -> None:
        await self._outbox.note(self._publication, text)
        self.noted = text


def destination_name(destination: tuple[str, Host]) -> str:
    """As logs and metrics call a publisher for the images of one registry."""
    return " for ".join(destination)


async def _open(publisher: Publisher) -> None:
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await publisher.open()
    except (RetryableError, PermanentError) as error:
        log.warning("publisher.unavailable", publisher=publisher.name, reason=error.reason, detail=str(error))
    except TimeoutError:
        log.warning("publisher.unavailable", publisher=publisher.name, reason="timed-out")
    except Exception:
        log.exception("publisher.unavailable", publisher=publisher.name, reason="internal")
    else:
        log.info("publisher.ready", publisher=publisher.name)


def _destination(publication: Publication) -> tuple[str, Host]:
    return publication.publisher, publication.registry


def _word(result: Result) -> str:
    match result:
        case Published():
            return "published"
        case PublishLater():
            return "retried"
        case PublishFailed():
            return "failed"
