"""`watcher verdict verify`: what is attached to an image, held against keys. Asks the registry alone."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from watcher.cli.images import EXIT_CODES
from watcher.cli.options import config_option, log_level, optional_settings, output_option
from watcher.cli.terminal import show_columns
from watcher.kit.clock import utc_now
from watcher.kit.telemetry import configure_logging
from watcher.kit.units import seconds
from watcher.model.as_reference import as_reference
from watcher.model.errors import ConfigurationError, NotFoundError
from watcher.model.moments import iso
from watcher.model.reference import Reference, parse_reference
from watcher.publishing.attestation_checking import Asked, Checked, Image, check, decided, everything
from watcher.publishing.notation_trust import Trusted, trusted
from watcher.publishing.signing_key import PublicKey, public_key
from watcher.registry.access import RegistryClients
from watcher.settings import Settings

EXIT_UNVERIFIED = 3


@click.command()
@click.argument("image")
@click.option(
    "--key",
    "paths",
    multiple=True,
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A public key as PEM, or a certificate that Notary Project signatures are by or lead to. Several: whichever has signed.",
)
@click.option("--max-age", metavar="DURATION", help="What was said longer ago does not count: 24h, 7d.")
@output_option
@config_option
def verify(image: str, paths: tuple[Path, ...], max_age: str | None, output: str) -> None:
    """Check what is attached to an image with public keys and certificates, and exit as `watcher scan` would.

    Of what a key has signed about this very image the newest counts. 3 when nothing does. Needs no daemon and no store; the
    configuration only for the credentials of the registry.
    """
    configure_logging(level=log_level("error"))
    keys, certificates = _read(paths)
    named_by: Mapping[PublicKey | Trusted, Path] = dict[PublicKey | Trusted, Path]([*keys.items(), *certificates.items()])
    asked = Asked(keys=tuple(keys), trusted=tuple(certificates), now=utc_now(), max_age_seconds=_seconds(max_age))
    named, checked = asyncio.run(_checked(parse_reference(as_reference(image)), asked, optional_settings()))
    outcome = decided(checked)
    if output == "json":
        found = [_as_json(each, str(named_by[each.key]) if each.key is not None else None) for each in checked]
        said = {"image": image, "digest": named.digest, "outcome": outcome.value if outcome else None, "found": found}
        click.echo(json.dumps(said))
    else:
        show_columns([_line(each, str(named_by[each.key]) if each.key is not None else "") for each in checked])
        result = f"verified as {outcome.value}" if outcome else "nothing verified"
        click.echo(f"{named.registry}/{named.repository}@{named.digest}: {result}")
    click.get_current_context().exit(EXIT_CODES.get(outcome, 0) if outcome else EXIT_UNVERIFIED)


async def _checked(reference: Reference, asked: Asked, settings: Settings) -> tuple[Image, Sequence[Checked]]:
    """Raises NotFoundError when there is no such image. As `Registries.head` and `everything` do."""
    async with RegistryClients.of(settings.registries) as registries:
        digest = await registries.head(reference)
        if digest is None:
            raise NotFoundError(f"{reference}: the registry has no such image")
        image = Image(registry=reference.registry, repository=reference.repository, digest=digest)
        return image, [check(each, image, asked) async for each in everything(registries.access(reference.registry), image)]


def _read(paths: Sequence[Path]) -> tuple[Mapping[PublicKey, Path], Mapping[Trusted, Path]]:
    """What each can check: a key on P-256 everything. Raises ConfigurationError for what can check nothing."""
    keys, certificates = dict[PublicKey, Path](), dict[Trusted, Path]()
    for path in paths:
        with suppress(ConfigurationError):
            certificates[trusted(path)] = path
        try:
            keys[public_key(path)] = path
        except ConfigurationError:
            if path not in certificates.values():
                raise
    return keys, certificates


def _seconds(max_age: str | None) -> float | None:
    try:
        return seconds(max_age) if max_age is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--max-age") from error


def _line(checked: Checked, key: str) -> tuple[str, str]:
    what = f"{checked.form} {checked.digest}"
    said = f"{checked.outcome.value} at {iso(checked.said_at)}" if checked.outcome and checked.said_at else ""
    if checked.problem:
        return "refused", f"{what}: {checked.problem}{f' ({said})' if said else ''}"
    return "verified", f"{what}: {said}, by {key}"


def _as_json(checked: Checked, key: str | None) -> Mapping[str, Any]:
    return {
        "form": checked.form,
        "digest": checked.digest,
        "verified": not checked.problem,
        "problem": checked.problem or None,
        "outcome": checked.outcome.value if checked.outcome else None,
        "said_at": iso(checked.said_at) if checked.said_at else None,
        "verifier": checked.verifier or None,
        "key": key,
    }
