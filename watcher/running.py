"""The whole life of `watcher run`: a look before it begins, signals, the end."""

import asyncio
import signal
from contextlib import aclosing
from functools import partial

import structlog

from watcher.daemon import assembled, begin_evaluator
from watcher.evaluation.evaluator import ProcessEvaluator
from watcher.evaluation.policies.loading import PolicySources
from watcher.preflight import preflight
from watcher.reloading import Reload
from watcher.settings import Configuration

log = structlog.get_logger(__name__)

# Most of what is under way ends within it. With what requests are given then, and all that is closed, it is less than ten seconds.
DRAIN_SECONDS = 3.0


async def run_until_signalled(configuration: Configuration) -> None:
    """SIGTERM and SIGINT end it, SIGHUP has the configuration read again (`Reload`).

    What is cut off at the end is taken up again at the next start, and was no failed attempt.

    Raises:
        ConfigurationError: all that `preflight` finds; else as `assembled` does.
    """
    loop = asyncio.get_running_loop()
    stopping, reloading = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    async with (
        aclosing(await _looked(configuration)) as evaluator,
        assembled(configuration.settings, folder=configuration.folder, evaluator_begun=evaluator) as daemon,
    ):
        running = asyncio.create_task(daemon.run(), name="daemon")
        reload = Reload(configuration, daemon.replace_policies, daemon.reloads)
        reloads = asyncio.create_task(daemon.supervisor.keep("reload", partial(_reload_on, reloading, reload)), name="reload")
        stopped = asyncio.create_task(stopping.wait(), name="stop")
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        log.info("daemon.stopping")
        began = loop.time()
        jobs, publications = await asyncio.gather(daemon.jobs.close(DRAIN_SECONDS), daemon.announcer.close(DRAIN_SECONDS))
        for task in (running, reloads, stopped):
            task.cancel()
        results = await asyncio.gather(running, reloads, stopped, return_exceptions=True)
    log.info(
        "daemon.stopped",
        drained=not (jobs or publications),
        jobs_cut_off=jobs,
        publications_cut_off=publications,
        seconds=round(loop.time() - began, 2),
    )
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _looked(configuration: Configuration) -> ProcessEvaluator:
    """The policies that were looked at, ready to judge. Raises ConfigurationError."""
    begun: list[ProcessEvaluator] = []

    async def compiled(sources: PolicySources) -> None:
        begun.append(await begin_evaluator(sources))

    seen = await preflight(configuration, compiled)
    for warning in seen.warnings:
        log.warning("configuration.doubtful", detail=warning)
    if seen.problems:
        for evaluator in begun:
            await evaluator.aclose()
        seen.require()
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
