"""The composition root: settings in, one running daemon out. The only place that knows every adapter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from watcher.advisories.enquiries import AdvisoryEnquiries
from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.api.app import build_app, serving
from watcher.api.context import ApiContext
from watcher.backlog.protocol import Job
from watcher.counted import show_from_start
from watcher.dialects.catalog import build_dialect
from watcher.evaluation.current import CurrentEvaluator
from watcher.evaluation.evaluator import ProcessEvaluator
from watcher.evaluation.policies.loading import PolicySources, load_settings
from watcher.evaluation.settings import PolicySettings
from watcher.inspection.image.base_image import listed_in, trusted_by
from watcher.inspection.inspector import Inspector
from watcher.kit.backoff import Backoff
from watcher.kit.clock import utc_now
from watcher.kit.metrics import Metrics
from watcher.kit.process_metrics import add_process_metrics
from watcher.kit.reload_metrics import ReloadMetrics
from watcher.kit.secret import Secret, resolve
from watcher.kit.supervise import Supervisor
from watcher.kit.threads import in_a_thread
from watcher.kit.units import seconds, size_bytes
from watcher.kit.version import VERSION
from watcher.model.reference import Host, Reference
from watcher.pipeline.announce import Announcer, place_name
from watcher.pipeline.canary import Canary
from watcher.pipeline.gathering import Gathering
from watcher.pipeline.intake import DurableIntake
from watcher.pipeline.jobs import Jobs
from watcher.pipeline.judge import Judge
from watcher.pipeline.judging import Judging
from watcher.pipeline.ledger import Ledger
from watcher.pipeline.outages import UNHEARD, Outages
from watcher.pipeline.reevaluate import Reevaluation
from watcher.pipeline.second_looks import second_looks
from watcher.pipeline.stored_images import is_again
from watcher.pipeline.stored_sboms import StoredSboms
from watcher.publishers import destinations_of, open_publishers, resume_quarantines, routes_of
from watcher.publishing.protocol import Publisher
from watcher.registry.access import RegistryClients
from watcher.registry.protocol import Registries
from watcher.settings import Settings
from watcher.sources.catalog import build_source
from watcher.sources.context import Holdings, SourceContext
from watcher.sources.protocol import Source
from watcher.sources.sweep_settings import SweepSourceSettings
from watcher.sources.webhook import WebhookSource
from watcher.storage import Storage, owned
from watcher.store.protocol import Judged

log = structlog.get_logger(__name__)

# Jobs spend most of their time waiting for registries and for layers that others read; the workers bound what is read at once.
JOBS_AT_ONCE = 10
# Of the loops that need nobody but our own store: work goes on within seconds after it can be written again.
AT_HOME = Backoff(first_seconds=0.5, longest_seconds=5.0)
# One for cases that are large, and one for those that would wait for them. The second is started when it is first needed.
EVALUATORS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon that is put together; `run` is its life."""

    settings: Settings
    folder: Path
    storage: Storage
    registries: Registries
    evaluator: CurrentEvaluator
    intake: DurableIntake
    jobs: Jobs
    reevaluation: Reevaluation
    ledger: Ledger
    canaries: Sequence[Canary]
    announcer: Announcer
    sources: Sequence[Source]
    context: ApiContext
    metrics: Metrics
    reloads: ReloadMetrics
    supervisor: Supervisor

    async def run(self, *, started: asyncio.Future[tuple[str, int]] | None = None) -> None:
        """Serve until cancelled. A part that fails is run again, and neither the server nor its neighbours notice."""
        async with serving(build_app(self.context), self.settings.server) as address, asyncio.TaskGroup() as group:
            sources: dict[str, Callable[[], Awaitable[None]]] = {
                f"source-{source.name}": partial(source.run, self.intake) for source in self.sources
            }
            loops: dict[str, Callable[[], Awaitable[None]]] = {
                "judge": partial(self.jobs.run, group),
                "leases": self.jobs.renew,
                "announce": partial(self.announcer.run, group),
                "reevaluate": self.reevaluation.run,
                "ledger": partial(self.ledger.count, self.metrics.show_held),
                **{f"canary-{number}": each.run for number, each in enumerate(self.canaries)},
                "retention": self.storage.retention.run,
            }
            group.create_task(self.announcer.open(), name="open-publishers")
            for part, run in sources.items():
                group.create_task(self.supervisor.keep(part, run), name=part)
            for part, run in loops.items():
                group.create_task(self.supervisor.keep(part, run, backoff=AT_HOME), name=part)
            log.info("daemon.started", host=address[0], port=address[1], version=VERSION, policy_revision=self.evaluator.revision)
            if started is not None:
                started.set_result(address)

    async def replace_policies(self, policies: PolicySettings) -> PolicySources:
        """Read the policies again, and put them in force. Raises PolicyError for one that is wrong, and then changes nothing."""
        sources = await _loaded(policies, self.folder)
        changed = await self.evaluator.replace(lambda: begin_evaluator(sources), policies)
        log.info("policies.reloaded", changed=changed, policy_revision=self.evaluator.revision)
        return sources


@asynccontextmanager
async def assembled(
    settings: Settings,
    *,
    folder: Path,
    extra: Mapping[str, Publisher] | None = None,
    evaluator_begun: ProcessEvaluator | None = None,
) -> AsyncIterator[Daemon]:
    """Put a daemon together from its configuration; `folder` is where relative paths begin, `extra` are publishers by name.

    `evaluator_begun` has the configured policies already, and is closed here from the moment it is put in force.

    Raises:
        ConfigurationError: something the operator must change: a secret, a policy, the store, the sandbox.
    """
    extra = extra or {}
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        add_process_metrics(metrics.registry)
        show_from_start(metrics, settings)
        storage = await stack.enter_async_context(owned(settings.store, counted=metrics.count_store_error))
        metrics.registry.register(storage.files)
        outages = Outages[Host](kind="registry", shown=partial(metrics.show_reachable, "registry"), most_unheard=UNHEARD)
        registries = await stack.enter_async_context(_open_registries(settings, metrics, outages))
        evaluator = CurrentEvaluator(evaluator_begun or await _begin_evaluator(settings.policies, folder), settings.policies)
        stack.push_async_callback(evaluator.aclose)
        inspector = await stack.enter_async_context(await _inspector(settings, storage, registries, metrics, evaluator))
        publishers = await stack.enter_async_context(open_publishers(settings, storage, registries, extra))
        destinations = destinations_of(settings, publishers, storage.standing)
        await resume_quarantines(settings, storage)
        await _forget_unwanted(settings, storage.known.holdings)
        sources = _sources(settings, storage, registries, metrics)
        supervisor = Supervisor(counted=metrics.count_restart, shown=metrics.show_part)
        advisories = AdvisoryGatherer(
            path=folder / settings.advisories.path,
            max_age_seconds=seconds(settings.advisories.max_age),
            first_seen=storage.first_seen,
        )
        judge = Judge(
            backlog=storage.backlog,
            verdicts=storage.verdicts,
            own_writes=storage.own_writes,
            judging=Judging(
                inspector=inspector,
                gathering=Gathering(gatherers=[advisories]),
                evaluator=evaluator,
                engine_version=VERSION,
                index_seconds=seconds(settings.inspection.timeout),
                is_base=partial(_is_trusted, evaluator),
            ),
            registries=registries,
            environments=settings.environments,
            owners=settings.owners,
            routes=routes_of(settings, extra),
            standing=storage.standing,
            images=storage.images,
            clock=utc_now,
            recorded=partial(_count_judged, metrics),
            suppressed=lambda _job: metrics.evaluations_suppressed.inc(),
        )
        intake = _intake(settings, storage, metrics, judge)
        reevaluation = Reevaluation(
            settings=settings.reevaluate,
            inbox=storage.backlog,
            standing=storage.standing,
            packages=storage.packages,
            marks=storage.standing,
            advisories=advisories,
            policy_revision=lambda: evaluator.revision,
            environments=settings.environments,
            clock=utc_now,
            counted=metrics.count_reevaluations,
            aged=metrics.show_advisories_age,
        )
        ledger = Ledger(held=storage.held, jobs=storage.jobs, policy_revision=lambda: evaluator.revision)
        announcer = Announcer(
            outbox=storage.outbox,
            verdicts=storage.verdicts,
            destinations=destinations,
            counted=metrics.count_publication,
            outages=Outages(kind="publisher", label=place_name, shown=partial(metrics.show_reachable, "publisher")),
        )
        yield Daemon(
            settings=settings,
            folder=folder,
            storage=storage,
            registries=registries,
            evaluator=evaluator,
            intake=intake,
            jobs=Jobs(
                backlog=storage.backlog,
                work=judge.judge,
                slots=JOBS_AT_ONCE,
                outages=outages,
                asks=lambda job: not is_again(job),
                done=metrics.count_job,
                buried=metrics.count_dead_letter,
            ),
            reevaluation=reevaluation,
            ledger=ledger,
            canaries=_canaries(settings, storage, registries, metrics),
            announcer=announcer,
            sources=sources,
            context=ApiContext(
                submissions=intake,
                jobs=storage.jobs,
                verdicts=storage.verdicts,
                images=storage.images,
                sboms=StoredSboms(storage.images),
                packages=storage.packages,
                advisories=AdvisoryEnquiries(advisories),
                publications=storage.publications,
                quarantines=storage.quarantines,
                completeness=ledger,
                passes=storage.known.holdings.passes,
                evaluator=lambda: evaluator,
                registries=registries,
                metrics=metrics,
                store_trouble=storage.trouble,
                hooks={source.name: source for source in sources if isinstance(source, WebhookSource)},
                sources=sources,
                destinations=announcer.standings,
                down=lambda: {**_disconnected(sources), **supervisor.down()},
                api_token=_secret(settings.server.api_token),
                admission=settings.admission,
                admission_token=_secret(settings.admission.token if settings.admission else None),
            ),
            metrics=metrics,
            reloads=ReloadMetrics(metrics.registry),
            supervisor=supervisor,
        )


@asynccontextmanager
async def _open_registries(settings: Settings, metrics: Metrics, outages: Outages[Host]) -> AsyncIterator[RegistryClients]:
    def answered(registry: Host, status: int) -> None:
        metrics.count_registry_request(registry, status)
        if status:
            outages.heard(registry)

    async with RegistryClients.of(settings.registries, on_response=answered) as registries:
        registries.open_configured()
        yield registries


async def _begin_evaluator(policies: PolicySettings, folder: Path) -> ProcessEvaluator:
    return await begin_evaluator(await _loaded(policies, folder))


def _loaded(policies: PolicySettings, folder: Path) -> Awaitable[PolicySources]:
    """In a thread that no end waits for: a network file system may never answer."""
    return in_a_thread(partial(load_settings, policies, beside=folder), name="policies")


async def begin_evaluator(sources: PolicySources) -> ProcessEvaluator:
    """One that is ready. Raises as `ProcessEvaluator.start` does."""
    evaluator = ProcessEvaluator(sources, workers=EVALUATORS)
    try:
        await evaluator.start()
    except BaseException:
        await evaluator.aclose()
        raise
    return evaluator


def _is_trusted(evaluator: CurrentEvaluator, reference: Reference) -> bool:
    """By the list of now."""
    return listed_in(evaluator.settings.trusted_bases)(reference)


async def _inspector(
    settings: Settings, storage: Storage, registries: Registries, metrics: Metrics, evaluator: CurrentEvaluator
) -> Inspector:
    """Not entered yet."""
    return Inspector(
        settings.inspection,
        cache=storage.layers,
        bases=storage.bases,
        salt=await storage.salt(),
        fetch_base=registries.fetch_configured,
        trusted=lambda: trusted_by(evaluator.settings.trusted_bases),
        counted=metrics.count_layer,
    )


def _sources(settings: Settings, storage: Storage, registries: Registries, metrics: Metrics) -> Sequence[Source]:
    context = SourceContext(
        max_body_bytes=size_bytes(settings.server.max_body),
        registries=registries,
        known=storage.known,
        swept=lambda source, taken_in: metrics.count_sweep(source, missed=taken_in if settings.is_told(source) else 0),
    )
    return [build_source(each, context) for each in settings.sources]


async def _forget_unwanted(settings: Settings, holdings: Holdings) -> None:
    """What nobody is told to look at any more, since the configuration is another."""
    await holdings.keep({*(each.registry for each in settings.registries), *(Host(each.registry) for each in settings.sources)})
    scopes = [each.scope for each in settings.sources if isinstance(each, SweepSourceSettings)]
    for host in {each.registry for each in scopes}:
        wanting = [each for each in scopes if each.registry == host]
        looks = await holdings.looks(host)
        await holdings.forget(host, [name for name in looks if not any(each.wants(name) for each in wanting)])


def _canaries(settings: Settings, storage: Storage, registries: RegistryClients, metrics: Metrics) -> Sequence[Canary]:
    for each in settings.canaries:
        metrics.begin_canary(each.host, each.name, seconds(each.every))
    return [
        Canary(each, access=registries.access(each.host), verdicts=storage.verdicts, told=partial(metrics.count_canary, each.name))
        for each in settings.canaries
    ]


def _intake(settings: Settings, storage: Storage, metrics: Metrics, judge: Judge) -> DurableIntake:
    return DurableIntake(
        dialects={name: build_dialect(each.dialect, each.mapping) for name, each in settings.event_sources.items()},
        backlog=storage.backlog,
        own_writes=storage.own_writes,
        clock=utc_now,
        counted=metrics.count_event,
        refused=metrics.count_refused,
        second_looks=partial(second_looks, storage.verdicts, judge.under_way),
    )


def _count_judged(metrics: Metrics, job: Job, judged: Sequence[Judged], seconds: float) -> None:
    for each in judged:
        metrics.count_verdict(each.verdict.outcome.value)
    metrics.inspection_seconds.observe(seconds)
    if is_again(job):
        return  # nothing was pushed
    # The clock can have been set back meanwhile.
    metrics.push_to_verdict_seconds.observe(max(0.0, (utc_now() - job.received_at).total_seconds()))


def _secret(reference: str | None) -> Secret | None:
    return resolve(reference) if reference else None


def _disconnected(sources: Sequence[Source]) -> Mapping[str, str]:
    """The sources that run and hear nothing, as parts that are down."""
    silent = [each.name for each in sources if each.health.problem and not each.health.connected]
    return {f"source-{name}": "disconnected" for name in silent}
