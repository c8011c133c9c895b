"""`watcher sweep`: look through registries now, and hand what has no verdict to the daemon."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from watcher.cli import completing
from watcher.cli.options import config_option, log_level, output_option, required_settings
from watcher.cli.terminal import bars
from watcher.kit.clock import utc_now
from watcher.kit.counted import counted
from watcher.kit.telemetry import configure_logging
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.model.reference import parse_host
from watcher.pipeline.intake import DurableIntake
from watcher.registry.access import RegistryClients
from watcher.settings import Settings
from watcher.sources.sweep_pass import SweepPass, SweepReport
from watcher.sources.sweep_settings import Scope, SweepSourceSettings
from watcher.storage import opened

# The source that is named in verdicts about registries without a sweep of their own.
SOURCE = "sweep"
EXIT_INCOMPLETE = 3


@click.command("sweep")
@click.option(
    "--registry",
    metavar="HOST",
    shell_complete=completing.registries,
    help="Only this one; else every registry of the configuration.",
)
@output_option
@config_option
def sweep_now(registry: str | None, output: str) -> None:
    """Find images without a verdict, and have them judged: by the running daemon within a second, else when it is started.

    A registry is looked through as its sweep in the configuration says, and whole where it has none. What was interrupted goes on
    where it was. Exits with 3 when something could not be looked at.
    """
    configure_logging(level=log_level("error"))
    path, settings = required_settings()
    scopes = _scopes(settings)
    if registry is not None:
        host = parse_host(registry)
        scopes = {source: scope for source, scope in scopes.items() if scope.registry == host}
    if not scopes:
        raise ConfigurationError(
            f"{path}: names no registry{'' if registry is None else f' {registry}'} that could be looked through"
        )
    if not asyncio.run(_swept(settings, scopes, output)):
        click.get_current_context().exit(EXIT_INCOMPLETE)


async def _swept(settings: Settings, scopes: Mapping[str, Scope], output: str) -> bool:
    """Show each report as soon as it is there. Whether everything could be looked at."""
    is_whole = True
    async for report in _reports(settings, scopes):
        is_whole = is_whole and not report.problems
        if output == "json":
            click.echo(json.dumps(_json(report)))
            continue
        click.echo(_line(report))
        for sentence in (*report.unmatched, *report.problems):
            click.echo(f"{report.registry}: {sentence}", err=True)
    return is_whole


def _scopes(settings: Settings) -> Mapping[str, Scope]:
    """What to look through, by the source that finds it."""
    scopes = {each.name: each.scope for each in settings.sources if isinstance(each, SweepSourceSettings)}
    swept = {scope.registry for scope in scopes.values()}
    others = [each.registry for each in settings.registries if each.registry not in swept]
    alone = len(others) == 1 and SOURCE not in scopes
    return scopes | {SOURCE if alone else f"{SOURCE}-{host}": Scope(registry=host) for host in others}


async def _reports(settings: Settings, scopes: Mapping[str, Scope]) -> AsyncIterator[SweepReport]:
    """One of each; a registry that cannot be read now has a problem, and hides no other."""
    async with opened(settings.store, read_only=False) as storage, RegistryClients.of(settings.registries) as registries:
        intake = DurableIntake(
            dialects={},
            backlog=storage.backlog,
            own_writes=storage.own_writes,
            clock=utc_now,
            counted=lambda _source, _fate, _reason: None,
        )
        for source, scope in scopes.items():
            seen_before = len(await storage.known.holdings.looks(scope.registry))
            with _progress(scope.registry, seen_before) as told:
                one = SweepPass(
                    scope=scope,
                    source=source,
                    name=f"command {source}",
                    registries=registries,
                    known=storage.known,
                    intake=intake,
                    told=told,
                )
                try:
                    report = await one.run()
                except RetryableError as error:
                    report = one.report
                    report.add_problem(str(error))
            yield report


@contextmanager
def _progress(registry: str, expected: int) -> Iterator[Callable[[SweepReport], None]]:
    """A bar on a terminal, which goes away again. How long the way is, is known from the last time."""
    with bars() as progress:
        task = progress.add_task(registry, total=expected or None, seen="")

        def told(report: SweepReport) -> None:
            done = report.repositories + report.resumed
            progress.update(task, completed=done, total=max(expected, done) if expected else None, seen=_seen(done, report))

        yield told


def _line(report: SweepReport) -> str:
    resumed = counted(report.resumed, "repository was", "repositories were")
    return (
        f"{report.registry}: {_seen(report.repositories, report)}, {report.taken_in} of them new"
        + (f", {report.lost_tags} without a tag they had" if report.lost_tags else "")
        + (f"; {resumed} looked at before the interruption" if report.resumed else "")
    )


def _seen(repositories: int, report: SweepReport) -> str:
    places = counted(repositories, "repository", "repositories")
    return f"{places}, {counted(report.images, 'image')}, {report.without_verdict} without a verdict"


def _json(report: SweepReport) -> dict[str, Any]:
    return {
        "registry": report.registry,
        "repositories": report.repositories,
        "images": report.images,
        "names": report.names,
        "without_verdict": sorted(
            f"{push.registry}/{push.repository}{f':{push.tag}' if push.tag else ''}@{push.digest}" for push in report.found
        ),
        "without_verdict_count": report.without_verdict,
        "taken_in": report.taken_in,
        "lost_tags": report.lost_tags,
        "resumed": report.resumed,
        "unmatched": report.unmatched,
        "problems": report.problems,
    }
