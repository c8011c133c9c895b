"""The whole life of `watcher run`: a look before it begins, signals, the end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import structlog

from watcher.daemon import Daemon, assembled, begin_evaluator
from watcher.evaluation.evaluator import ProcessEvaluator
from watcher.evaluation.policies.loading import PolicySources
from watcher.kit.signals import heard
from watcher.preflight import preflight
from watcher.reloading import Reload
from watcher.settings import Configuration

log = structlog.get_logger(__name__)

# Most of what is under way ends within it. With what requests are given then, and all that is closed, it is less than ten seconds.
DRAIN_SECONDS = 3.0


async def run_until_signalled(configuration: Configuration) -> None:
    """SIGTERM and SIGINT end it, also while it begins; SIGHUP has the configuration read again (`Reload`), once it has begun.

    What is cut off at the end is taken up again at the next start, and was no failed attempt.

    Raises:
        ConfigurationError: all that `preflight` finds; else as `assembled` does.
    """
    loop = asyncio.get_running_loop()
    stopping, reloading = asyncio.Event(), asyncio.Event()
    ends = dict.fromkeys((signal.SIGTERM, signal.SIGINT), stopping.set)
    with heard(loop, {**ends, signal.SIGHUP: reloading.set}):
        async with AsyncExitStack() as stack:
            daemon = await _begun(configuration, stack, stopping)
            if daemon is None:
                log.info("daemon.stopping")
                end = _End(began=loop.time())
            else:
                reload = Reload(configuration, daemon.replace_policies, daemon.reloads)
                end = await _lived(daemon, partial(_reload_on, reloading, reload), stopping)
        log.info(
            "daemon.stopped",
            drained=not (end.jobs or end.publications),
            jobs_cut_off=end.jobs,
            publications_cut_off=end.publications,
            seconds=round(loop.time() - end.began, 2),
        )
    if end.error is not None:
        raise end.error


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """When it began, on the loop's clock, how much was cut off by it, and what had made it necessary, if nobody asked for it."""

    began: float
    jobs: int = 0
    publications: int = 0
    error: Exception | None = None


async def _begun(configuration: Configuration, stack: AsyncExitStack, stopping: asyncio.Event) -> Daemon | None:
    """None where `stopping` was set first: a start waits for whoever holds the store, and may have much to upgrade in it."""

    async def cut() -> None:
        await stopping.wait()
        beginning.reschedule(0)

    try:
        async with asyncio.timeout(None) as beginning:
            cutting = asyncio.create_task(cut(), name="stop")
            try:
                evaluator = await _looked(configuration)
                stack.push_async_callback(evaluator.aclose)
                made = assembled(configuration.settings, folder=configuration.folder, evaluator_begun=evaluator)
                return await stack.enter_async_context(made)
            finally:
                cutting.cancel()
    except TimeoutError:
        if beginning.expired():
            return None
        raise


async def _lived(daemon: Daemon, reload: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> _End:
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(daemon.run(), name="daemon")
    reloads = asyncio.create_task(daemon.supervisor.keep("reload", reload), name="reload")
    stopped = asyncio.create_task(stopping.wait(), name="stop")
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    log.info("daemon.stopping")
    began = loop.time()
    jobs, publications = await asyncio.gather(daemon.jobs.close(DRAIN_SECONDS), daemon.announcer.close(DRAIN_SECONDS))
    for task in (running, reloads, stopped):
        task.cancel()
    results = await asyncio.gather(running, reloads, stopped, return_exceptions=True)
    error = next((each for each in results if isinstance(each, Exception)), None)
    return _End(began=began, jobs=jobs, publications=publications, error=error)


async def _looked(configuration: Configuration) -> ProcessEvaluator:
    """The policies that were looked at, ready to judge. Raises ConfigurationError."""
    begun: list[ProcessEvaluator] = []

    async def compiled(sources: PolicySources) -> None:
        begun.append(await begin_evaluator(sources))

    try:
        seen = await preflight(configuration, compiled)
        for warning in seen.warnings:
            log.warning("configuration.doubtful", detail=warning)
        seen.require()
    except BaseException:
        for evaluator in begun:
            await evaluator.aclose()
        raise
    (evaluator,) = begun
    return evaluator


async def _reload_on(signalled: asyncio.Event, reload: Reload) -> None:
    while True:
        await signalled.wait()
        signalled.clear()
        try:
            await reload.again()
        except Exception:
            signalled.set()  # what was asked for is still to be done, when this loop is run again
            raise
