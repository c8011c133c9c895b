"""`watcher sweep`: look through registries now, and hand what has no verdict to the daemon."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from watcher.cli.options import config_option, required_settings
from watcher.kit.clock import utc_now
from watcher.model.errors import ConfigurationError
from watcher.model.reference import parse_host
from watcher.pipeline.intake import DurableIntake
from watcher.registry.access import RegistryClients
from watcher.settings import Settings
from watcher.sources.sweep_pass import SweepReport, sweep
from watcher.sources.sweep_settings import Scope, SweepSourceSettings
from watcher.storage import opened

# The source that is named in verdicts about registries without a sweep of their own.
SOURCE = "sweep"


@click.command("sweep")
@click.option("--registry", metavar="HOST", help="Only this one; else every registry of the configuration.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@config_option
def sweep_now(registry: str | None, output: str) -> None:
    """Find images without a verdict, and have them judged: by the running daemon within a second, else when it is started.

    A registry is looked through as its sweep in the configuration says, and whole where it has none.
    """
    path, settings = required_settings()
    scopes = _scopes(settings)
    if registry is not None:
        host = parse_host(registry)
        scopes = {source: scope for source, scope in scopes.items() if scope.registry == host}
    if not scopes:
        raise ConfigurationError(
            f"{path}: names no registry{'' if registry is None else f' {registry}'} that could be looked through"
        )
    for report in asyncio.run(_reports(settings, scopes)):
        if output == "json":
            click.echo(json.dumps(_json(report)))
            continue
        click.echo(
            f"{report.registry}: {report.repositories} repositories, {report.images} images, "
            f"{len(report.found)} without a verdict, {report.taken_in} of them new"
            + (f", {report.lost_tags} without a tag they had" if report.lost_tags else "")
        )
        for pattern in report.unmatched:
            click.echo(f"{report.registry}: nothing is called {pattern}", err=True)
        for problem in report.problems:
            click.echo(f"{report.registry}: {problem}", err=True)


def _scopes(settings: Settings) -> Mapping[str, Scope]:
    """What to look through, by the source that finds it."""
    scopes = {each.name: each.scope for each in settings.sources if isinstance(each, SweepSourceSettings)}
    swept = {scope.registry for scope in scopes.values()}
    others = [each.registry for each in settings.registries if each.registry not in swept]
    return scopes | {SOURCE if len(others) == 1 else f"{SOURCE}-{host}": Scope(registry=host) for host in others}


async def _reports(settings: Settings, scopes: Mapping[str, Scope]) -> Sequence[SweepReport]:
    async with opened(settings.store, read_only=False) as storage, RegistryClients.of(settings.registries) as registries:
        intake = DurableIntake(
            dialects={},
            backlog=storage.backlog,
            own_writes=storage.own_writes,
            clock=utc_now,
            counted=lambda _source, _fate, _reason: None,
        )
        return [await sweep(scope, source, registries, storage.verdicts.judged, intake) for source, scope in scopes.items()]


def _json(report: SweepReport) -> dict[str, Any]:
    return {
        "registry": report.registry,
        "repositories": report.repositories,
        "images": report.images,
        "without_verdict": [
            f"{push.registry}/{push.repository}{f':{push.tag}' if push.tag else ''}@{push.digest}" for push in report.found
        ],
        "taken_in": report.taken_in,
        "lost_tags": report.lost_tags,
        "unmatched": report.unmatched,
        "problems": report.problems,
    }
