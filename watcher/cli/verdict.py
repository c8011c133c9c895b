"""`watcher verdict show`: what the store says about an image; `verify` is in `verdict_verify`."""

import asyncio
from dataclasses import dataclass, replace

import click

from watcher.cli import completing
from watcher.cli.images import EXIT_CODES
from watcher.cli.options import config_option, log_level, required_settings
from watcher.cli.terminal import show_verdict
from watcher.cli.verdict_verify import verify
from watcher.kit.telemetry import configure_logging
from watcher.model.as_reference import as_reference
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError
from watcher.model.reference import Reference, parse_reference
from watcher.model.verdict import Verdict
from watcher.model.verdict_json import verdict_bytes
from watcher.registry.access import RegistryClients
from watcher.settings import Settings
from watcher.storage import Storage, opened
from watcher.store.protocol import ImageReader


@click.group()
@config_option
def verdict() -> None:
    """Show verdicts of a running or stopped daemon; check what is attached to an image."""


verdict.add_command(verify)


@verdict.command()
@click.argument("image")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option(
    "--environment",
    metavar="NAME",
    shell_complete=completing.environments,
    help="The verdict for this environment; else the latest of any.",
)
@config_option
def show(image: str, output: str, environment: str | None) -> None:
    """Show the latest verdict of an image, and exit as `watcher scan` would: 1 for fail, 3 for unknown or no verdict.

    A tag means what it meant in the last event that named it; one that no event named is asked of its registry.
    """
    configure_logging(level=log_level("error"))
    _, settings = required_settings()
    found = asyncio.run(_found(Question(reference=parse_reference(as_reference(image)), environment=environment), settings))
    if output == "json":
        click.echo(verdict_bytes(found))
    else:
        show_verdict(found)
    click.get_current_context().exit(EXIT_CODES.get(found.outcome, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`environment` None asks for the latest verdict of any."""

    reference: Reference
    environment: str | None


async def _found(asked: Question, settings: Settings) -> Verdict:
    """Raises NotFoundError when nothing is known, which is unknown and no usage error."""
    reference = asked.reference
    async with opened(settings.store) as storage:
        digest = reference.digest or await _last_named(storage.images, reference) or await _named_now(reference, settings)
        if digest is None:
            named = await _announced(storage, reference)
            known = f"but {named}" if named else "and no event ever named it"
            raise NotFoundError(f"{reference}: its registry has no such image, {known}")
        found = await storage.verdicts.latest(
            digest, registry=reference.registry, repository=reference.repository, environment=asked.environment
        )
        if found is None:
            where = f" in environment {asked.environment}" if asked.environment else ""
            named = await _announced(storage, replace(reference, digest=digest))
            where += f", but {named}" if named else ""
            raise NotFoundError(f"{reference}: no verdict{where}; `watcher scan {reference}` gives one without the daemon")
    return found


async def _announced(storage: Storage, reference: Reference) -> str:
    """Which event of the last days named an image that has no verdict, and what became of it; empty when none did."""
    row = await storage.jobs.last_event(reference.registry, reference.repository, reference.tag, reference.digest)
    if row is None:
        return ""
    named = f"an event of {row.received_at:%Y-%m-%d %H:%M:%S} UTC from {row.source} named it"
    if row.job_id is None:
        return f"{named}: {row.fate}, {row.reason}"
    states = {"done": f"ended as {row.job_reason}", "dead": f"is a dead letter: {row.job_reason}", "": "is not kept any more"}
    return f"{named}, whose job {states.get(row.job_state, f'is {row.job_state} {row.job_reason}'.strip())}"


async def _last_named(images: ImageReader, reference: Reference) -> Digest | None:
    if reference.tag is None:
        return None
    return await images.last_named(reference.registry, reference.repository, reference.tag)


async def _named_now(reference: Reference, settings: Settings) -> Digest | None:
    """What the registry says. Raises as `Registries.head` does."""
    if reference.tag is None:
        return None
    async with RegistryClients.of(settings.registries) as registries:
        return await registries.head(reference)
