"""Puts together who is told of verdicts: the publishers, how each is treated, and which verdicts it hears of."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from zoneinfo import ZoneInfo

import aiohttp
import structlog

from watcher.evaluation.verdict_filter import VerdictFilter
from watcher.kit.clock import utc_now
from watcher.kit.connector import trusting
from watcher.kit.proxies import Proxies
from watcher.kit.through_proxies import through
from watcher.kit.units import seconds
from watcher.model.errors import PolicyError
from watcher.model.publication import Window
from watcher.model.quarantine import OPEN
from watcher.model.verdict import Outcome, Subject, Verdict
from watcher.pipeline.destinations import Destination
from watcher.pipeline.environments import environment_of
from watcher.pipeline.holding import Holding, QuietHours
from watcher.pipeline.protocol import Marks
from watcher.pipeline.routing import Route
from watcher.pipeline.stored_pushes import StoredPushes
from watcher.pipeline.stored_sboms import StoredSboms
from watcher.publishing.catalog import build_publisher
from watcher.publishing.context import PublisherContext
from watcher.publishing.links import Links
from watcher.publishing.protocol import Publisher
from watcher.publishing.quarantine.catalog import build_driver
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.settings import AnyPublisherSettings
from watcher.publishing.wanted import WEEKDAYS, MessagePublisherSettings, PeoplePublisherSettings
from watcher.registry.protocol import WritableRegistries
from watcher.settings import Settings
from watcher.storage import Storage

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_publishers(
    settings: Settings, storage: Storage, registries: WritableRegistries, extra: Mapping[str, Publisher]
) -> AsyncIterator[Mapping[str, Publisher]]:
    """Those that are configured and `extra`, by name; all are closed at the end."""
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(publisher_context(settings, storage, registries))
        publishers = {each.name: build_publisher(each, context) for each in settings.publish} | dict(extra)
        for publisher in publishers.values():
            stack.push_async_callback(publisher.aclose)
        yield publishers


@asynccontextmanager
async def publisher_context(
    settings: Settings, storage: Storage, registries: WritableRegistries
) -> AsyncIterator[PublisherContext]:
    """What each is built with. Raises ConfigurationError for proxies of the environment that cannot be used."""
    proxies = Proxies.of_environment()
    async with aiohttp.ClientSession(connector=trusting(), middlewares=(through(proxies),)) as session:
        yield PublisherContext(
            registries=registries,
            own_writes=storage.own_writes,
            locks=storage.locks,
            sboms=StoredSboms(storage.images),
            tags=storage.tags,
            labels=storage.labels,
            tickets=storage.tickets,
            quarantines=storage.quarantines,
            judgements=storage.judgements,
            pushes=StoredPushes(storage.jobs),
            driver=build_driver,
            environment=partial(environment_of, settings.environments),
            session=session,
            proxies=proxies,
            links=Links(public_url=settings.server.public_url.rstrip("/")),
            clock=utc_now,
        )


async def resume_quarantines(settings: Settings, storage: Storage) -> None:
    """What is not over is told of again: something else may be asked for now, in earnest or by another measure."""
    earnest = {each.name for each in settings.publish if isinstance(each, QuarantinePublisherSettings) and not each.dry_run}
    for record in await storage.quarantines.listed() if earnest else ():
        if record.publisher in earnest and record.state in OPEN:
            subject = Subject(
                registry=record.registry,
                repository=record.repository,
                digest=record.digest,
                environment=environment_of(settings.environments, record.registry, record.repository),
            )
            await storage.verdicts.told_again(subject, [record.publisher])


def destinations_of(settings: Settings, publishers: Mapping[str, Publisher], marks: Marks) -> Mapping[str, Destination]:
    """How each of the publishers is treated; one that is not configured is told everything."""
    configured = {each.name: each for each in settings.publish}
    return {name: _destination(publisher, configured.get(name), marks) for name, publisher in publishers.items()}


def routes_of(settings: Settings, extra: Iterable[str]) -> Sequence[Route]:
    """What is configured, and everything to each of `extra`."""
    named = {owner for each in settings.publish if isinstance(each, MessagePublisherSettings) for owner in each.owners}
    configured = [_route(each, named) for each in settings.publish]
    return [*configured, *(Route(publisher=name, outcomes=tuple(Outcome)) for name in extra)]


def _destination(publisher: Publisher, asked: AnyPublisherSettings | None, marks: Marks) -> Destination:
    if asked is None:
        return Destination(publisher=publisher, in_registry=False)
    if not isinstance(asked, MessagePublisherSettings):
        outcomes = tuple(Outcome) if asked.keeps_state else asked.outcomes
        return Destination(publisher=publisher, outcomes=outcomes, in_registry=asked.in_registry)
    return Destination(
        publisher=publisher,
        outcomes=asked.outcomes,
        in_registry=False,
        only_changes=asked.when == "changed",
        wants=_wants(asked.name, asked.filter) if asked.filter else lambda _: True,
        holding=_holding(asked, marks) if isinstance(asked, PeoplePublisherSettings) else None,
    )


def _wants(publisher: str, expression: str) -> Callable[[Verdict], bool]:
    """By its filter. One that errs hides nothing."""
    chosen = VerdictFilter(expression)

    def wants(verdict: Verdict) -> bool:
        try:
            return chosen.takes(verdict)
        except PolicyError as error:
            log.warning("filter.failed", publisher=publisher, verdict_id=verdict.id, detail=str(error))
            return True

    return wants


def _holding(asked: PeoplePublisherSettings, marks: Marks) -> Holding:
    days = frozenset(WEEKDAYS.index(day) for day in asked.quiet_days)
    return Holding(
        name=asked.name,
        marks=marks,
        window=Window(pushed=seconds(asked.window), reevaluated=seconds(asked.window_reevaluated)),
        per_hour=asked.per_hour,
        quiet=QuietHours(begins=asked.quiet[0], ends=asked.quiet[1], days=days) if asked.quiet else None,
        digest=asked.digest_at,
        zone=ZoneInfo(asked.timezone),
    )


def _route(asked: AnyPublisherSettings, named: Collection[str]) -> Route:
    if not isinstance(asked, MessagePublisherSettings):
        return Route(
            publisher=asked.name,
            outcomes=asked.outcomes,
            keeps_state=asked.keeps_state,
            renews=asked.renews,
            lets_go=asked.lets_go,
            images=asked.images,
        )
    return Route(
        publisher=asked.name,
        outcomes=asked.outcomes,
        only_changes=asked.when == "changed",
        images=asked.images,
        owned_by=_owned_by(asked, named),
        parts=not isinstance(asked, PeoplePublisherSettings),  # who reads of an index reads of all its platforms
        follows_tags=isinstance(asked, PeoplePublisherSettings),  # and knows images by their tags
    )


def _owned_by(asked: MessagePublisherSettings, named: Collection[str]) -> Callable[[str], bool]:
    if not asked.owners and not asked.unowned:
        return lambda _: True
    return lambda owner: owner in asked.owners or (asked.unowned and owner not in named)
