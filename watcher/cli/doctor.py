"""`watcher doctor`: everything that the watcher needs of others, tried once, a line for each step."""

import asyncio
from collections.abc import Sequence

import click

from watcher.cli.doctor_areas import Area
from watcher.cli.doctor_output import Report
from watcher.cli.doctor_registry import Registry, asked_for, registries_of, registry_areas
from watcher.cli.options import config_option, optional_settings, required_settings
from watcher.kit.telemetry import configure_logging

EXIT_FAILED = 1


@click.command("doctor")
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--write", is_flag=True, help="Attach a small artefact in each registry, read it back and delete it again.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@config_option
def doctor(reference: str | None, output: str, *, write: bool) -> int:
    """Try every step to each registry, and say what is missing.

    With REF, an image, a repository (HOST/NAME) or a host, only that registry; it need not be configured. Ends with 1 when a step
    failed. Nothing is stored anywhere unless --write says so.
    """
    settings = optional_settings() if reference is not None else required_settings()[1]
    wanted: Sequence[Registry] = registries_of(settings) if reference is None else [asked_for(reference, settings)]
    # stdout is for what was asked, and what goes wrong is said there.
    configure_logging(level="error")
    report = Report(as_json=output == "json")
    asyncio.run(_show(registry_areas(settings, wanted, write=write), report))
    report.end()
    return EXIT_FAILED if report.failed else 0


async def _show(areas: Sequence[Area], report: Report) -> None:
    """All at once, each shown in its turn."""
    async with asyncio.TaskGroup() as group:
        looking = [(area, group.create_task(area.look(), name=f"doctor-{area.kind}-{area.name}")) for area in areas]
        for area, task in looking:
            report.show(area, await task)
