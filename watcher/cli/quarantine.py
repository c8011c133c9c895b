"""`watcher quarantine list|release`: which images are kept from being pulled, how far, and letting one go."""

import asyncio
import getpass
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click
import msgspec

from watcher.cli import completing
from watcher.cli.listing import listing_options, show_rows
from watcher.cli.options import config_option, log_level, output_option, required_settings
from watcher.cli.terminal import SHORT_DIGEST, short_digest
from watcher.kit.clock import utc_now
from watcher.kit.telemetry import configure_logging
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.model.moments import iso
from watcher.model.quarantine import OPEN, Quarantine, QuarantineState, StepState
from watcher.model.reference import parse_host, parse_repository
from watcher.model.verdict import Outcome, Subject
from watcher.pipeline.environments import environment_of
from watcher.pipeline.stored_pushes import StoredPushes
from watcher.publishing.quarantine.capabilities import CAPABILITIES, blocked
from watcher.publishing.quarantine.catalog import build_driver
from watcher.publishing.quarantine.decision import condemns, fingerprint, of_environment
from watcher.publishing.quarantine.protocol import Condemned
from watcher.publishing.quarantine.release import PERHAPS, ended, release
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.quarantine.steps import Ground
from watcher.registry.access import RegistryClients
from watcher.registry.settings import RegistrySettings
from watcher.settings import Settings
from watcher.storage import Storage, opened


class NotTakenBackError(RetryableError):
    """Something that was done to an image could not be taken back now."""

    reason = "not-taken-back"


@click.group()
@config_option
def quarantine() -> None:
    """See which images are kept from being pulled, and let one go."""


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@listing_options
def list_(output: str, limit: int, *, everything: bool) -> None:
    """Show what is in quarantine, what was done and what that really blocks, the newest first; as JSON one object per line."""
    _, settings = required_settings()

    async def rows(storage: Storage) -> Sequence[Quarantine]:
        listed = await storage.quarantines.listed()
        return [each for each in listed if everything or each.state in OPEN][:limit]

    show_rows(
        rows,
        output=output,
        as_json=partial(_json, settings),
        headings=("DIGEST", "image", "since", "state", "by", "actions", "blocks", "reason"),
        as_cells=partial(_cells, settings),
        nothing="Nothing is in quarantine.",
    )


@quarantine.command("release")
@click.argument("digest")
@click.option("--reason", required=True, help="Why; it is kept, with your name.")
@click.option(
    "--registry", metavar="HOST", shell_complete=completing.registries, help="Where the digest is in quarantine in several."
)
@click.option("--repository", metavar="NAME", help="Where it is in several repositories.")
@output_option
@config_option
def release_(digest: str, reason: str, registry: str | None, repository: str | None, output: str) -> None:
    """Let an image be pulled again, also beside a running daemon. Twelve digits of DIGEST are enough.

    It stays so until something else is found in it. Exits with 3 when something could not be taken back now.
    """
    configure_logging(level=log_level("error"))
    _, settings = required_settings()
    over, troubles = asyncio.run(_released(settings, digest, registry, repository, reason))
    for record in over:
        if output == "json":
            click.echo(msgspec.json.encode(_json(settings, record)))
            continue
        click.echo(f"{record.name}: released from {record.publisher}")
        for each in record.tags:
            if each.state is StepState.LEFT:
                click.echo(f"{record.name}: the tag {each.tag} was left: {each.detail}", err=True)
        for measure, step in record.steps.items():
            if step.state is StepState.LEFT:
                click.echo(f"{record.name}: {measure.value} was left: {step.detail}", err=True)
    if troubles:
        raise NotTakenBackError("\n".join(troubles))


async def _released(
    settings: Settings, digest: str, registry: str | None, repository: str | None, reason: str
) -> tuple[Sequence[Quarantine], Sequence[str]]:
    """Those that are over, and what was not taken back of others. Raises ConfigurationError when it is not known which is meant."""
    if not reason.strip():
        raise ConfigurationError("--reason is empty: say why")
    async with opened(settings.store, read_only=False) as storage, RegistryClients.of(settings.registries) as registries:
        host = parse_host(registry) if registry is not None else None
        name = parse_repository(repository) if repository is not None else None
        listed = await storage.quarantines.listed(registry=host, repository=name)
        found = [each for each in listed if each.state in OPEN and len(digest) >= SHORT_DIGEST and each.digest.startswith(digest)]
        places = sorted({each.name for each in found})
        if not places:
            raise ConfigurationError(f"{digest[:80]} is not in quarantine: `watcher quarantine list` shows what is")
        if len(places) > 1:
            raise ConfigurationError(f"{digest[:80]} may be any of {', '.join(places)}: say which by --registry and --repository")
        over, troubles = [], []
        for each in found:
            try:
                over.append(await _let_go(settings, storage, registries, each, reason))
            except RetryableError as error:
                now = await storage.quarantines.find(each.publisher, each.registry, each.repository, each.digest) or each
                troubles.append(f"{each.name}: not released from {each.publisher} yet, {_not_taken_back(now)} as before: {error}")
        return over, troubles


def _not_taken_back(record: Quarantine) -> str:
    measures = [name.value for name, step in record.steps.items() if step.state in PERHAPS]
    return ", ".join([*measures, *(f"the tag {each.tag}" for each in record.tags if each.state in PERHAPS)]) or "nothing"


async def _let_go(settings: Settings, storage: Storage, registries: RegistryClients, listed: Quarantine, reason: str) -> Quarantine:
    subject = Subject(registry=listed.registry, repository=listed.repository, digest=listed.digest)
    async with storage.locks.lock(subject):
        record = await storage.quarantines.find(listed.publisher, listed.registry, listed.repository, listed.digest) or listed
        standing = await storage.judgements.standing(record.registry, record.repository, record.digest)
        environment = environment_of(settings.environments, record.registry, record.repository)
        verdict = of_environment(standing, environment)
        condemned = verdict is not None and condemns(verdict, _outcomes(settings, record.publisher))
        by, excused = _who(), fingerprint(verdict) if verdict is not None and condemned else ""
        if record.state in {QuarantineState.DRY_RUN, QuarantineState.HELD}:
            over = replace(ended(record, by=by, reason=reason, excused=excused), changed_at=utc_now())
            await storage.quarantines.keep(over)
            return over
        if any(each.name == record.publisher for each in settings.publish):
            # Should we be cut off, the daemon goes on with it.
            await storage.verdicts.told_again(replace(subject, environment=environment), [record.publisher])
        access = registries.access(record.registry)
        image = Condemned(repository=record.repository, digest=record.digest, reason=record.reason)
        ground = Ground(access=access, driver=build_driver(access), image=image, clock=utc_now)
        pushes = StoredPushes(storage.jobs)
        return await release(record, ground, storage.quarantines, pushes, utc_now, by=by, reason=reason, excused=excused)


def _outcomes(settings: Settings, publisher: str) -> Collection[Outcome]:
    for each in settings.publish:
        if isinstance(each, QuarantinePublisherSettings) and each.name == publisher:
            return each.outcomes
    return (Outcome.FAIL,)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"  # in a container there may be no name for the number


def _blocks(settings: Settings, record: Quarantine) -> str:
    known = {each.registry: each for each in settings.registries}
    kind = (known.get(record.registry) or RegistrySettings(host=record.registry)).registry_kind
    return blocked(record, CAPABILITIES[kind])


def _json(settings: Settings, record: Quarantine) -> dict[str, Any]:
    return {
        "publisher": record.publisher,
        "registry": record.registry,
        "repository": record.repository,
        "digest": record.digest,
        "state": record.state.value,
        "dry_run": record.state is QuarantineState.DRY_RUN,
        "since": iso(record.began_at),
        "changed_at": iso(record.changed_at),
        "verdict": record.verdict_id,
        "reason": record.reason,
        "blocks": _blocks(settings, record),
        "actions": {name.value: {"state": step.state.value, "detail": step.detail} for name, step in record.steps.items()},
        "tags": [{"tag": each.tag, "leads_to": each.to, "state": each.state.value, "detail": each.detail} for each in record.tags],
        "passing_since": iso(record.passing_since) if record.passing_since else None,
        "ended_by": record.ended_by or None,
        "ended_reason": record.ended_reason or None,
    }


def _cells(settings: Settings, record: Quarantine) -> Sequence[str]:
    done = [_said(name.value, step.state) for name, step in record.steps.items()]
    done += [_said(f"{each.tag} → {short_digest(each.to) if each.to else 'nothing'}", each.state) for each in record.tags]
    reason = f"{record.reason}; {record.ended_by}: {record.ended_reason}" if record.ended_reason else record.reason
    return (
        short_digest(record.digest),
        f"{record.registry}/{record.repository}",
        f"{record.began_at:%Y-%m-%d %H:%M:%S}",
        record.state.value + (" (passing)" if record.passing_since is not None and record.state in OPEN else ""),
        record.publisher,
        ", ".join(done),
        _blocks(settings, record),
        reason,
    )


def _said(what: str, state: StepState) -> str:
    return what if state is StepState.DONE else f"{what} ({state.value})"
