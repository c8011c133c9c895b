"""`watcher doctor`: everything that the watcher needs of others, tried once, a line for each step."""

import asyncio
from collections.abc import Sequence

import click

from watcher.cli.doctor_areas import Area, looked_at
from watcher.cli.doctor_output import Report
from watcher.cli.doctor_own import configuration_area, own_areas
from watcher.cli.doctor_publishers import publisher_areas, scratch
from watcher.cli.doctor_registry import asked_for, registries_of, registry_areas
from watcher.cli.doctor_sources import source_areas
from watcher.cli.options import config_option, log_level, optional_settings, output_option, required_configuration
from watcher.kit.telemetry import configure_logging
from watcher.settings import Configuration

EXIT_FAILED = 1


@click.command("doctor")
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--write", is_flag=True, help="Attach a small artefact in each registry, read it back and delete it again.")
@output_option
@config_option
def doctor(reference: str | None, output: str, *, write: bool) -> int:
    """Try every step to each registry, source and publisher, and say what is missing.

    With REF, an image, a repository (HOST/NAME) or a host, only that registry; it need not be configured. Ends with 1 when a step
    failed. Nothing is stored or told anywhere unless --write says so.
    """
    configuration = required_configuration() if reference is None else None
    settings = configuration.settings if configuration is not None else optional_settings()
    registries = registries_of(settings) if reference is None else [asked_for(reference, settings)]
    areas = registry_areas(settings, registries, write=write)
    # stdout is for what was asked, and what goes wrong is said there.
    configure_logging(level=log_level("critical"))
    report = Report(as_json=output == "json")
    asyncio.run(_show_all(configuration, areas, report) if configuration is not None else _show(areas, report))
    report.end()
    return EXIT_FAILED if report.failed else 0


async def _show_all(configuration: Configuration, registries: Sequence[Area], report: Report) -> None:
    settings = configuration.settings
    async with scratch() as storage:
        # First of all, since others are connected to as it says.
        await _show([configuration_area(configuration)], report)
        others = [*source_areas(settings), *publisher_areas(settings, storage)]
        await _show([*own_areas(settings, configuration.folder), *registries, *others], report)


async def _show(areas: Sequence[Area], report: Report) -> None:
    """All at once, each shown in its turn."""
    async with asyncio.TaskGroup() as group:
        looking = [(area, group.create_task(looked_at(area), name=f"doctor-{area.kind}-{area.name}")) for area in areas]
        for area, task in looking:
            report.show(area, await task)
