"""`watcher scan`: inspect and judge images without a daemon."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import msgspec

from watcher.cli import completing
from watcher.cli.chosen_policies import chosen_policies
from watcher.cli.images import EXIT_CODES, FoundImage, NamedImage, choose_platforms, find_image
from watcher.cli.options import config_folder, config_option, is_quiet, log_level, optional_settings
from watcher.cli.scan_progress import Bar, Watched, bar
from watcher.cli.terminal import show_verdict, show_vulnerabilities
from watcher.evaluation.policies.loading import PolicySources
from watcher.kit.clock import utc_now
from watcher.kit.printable import printable
from watcher.kit.telemetry import configure_logging
from watcher.kit.units import seconds
from watcher.kit.version import VERSION
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError, NotFoundError, PermanentError, RetryableError
from watcher.model.inspection_json import inspection_json
from watcher.model.reference import Reference
from watcher.model.verdict import Outcome, Subject, worst
from watcher.model.verdict_json import verdict_json
from watcher.pipeline.environments import environment_of
from watcher.pipeline.gathering import Gathering
from watcher.pipeline.judging import Judging, Task
from watcher.pipeline.patience import ANSWERS, LOOKS, HeardOnceError, Patient, seconds_after
from watcher.pipeline.protocol import Gatherer
from watcher.registry.protocol import Registries
from watcher.registry.settings import RegistrySettings
from watcher.sbom.contents import Contents
from watcher.sbom.formats import FORMATS, SbomFormat
from watcher.settings import Settings
from watcher.store.protocol import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one run is about. `platform` is `OS/ARCH`, `all`, or None for this machine's; `bar` is that of the image in turn."""

    images: Sequence[NamedImage]
    policies: PolicySources
    platform: str | None
    environment: str | None
    output: str
    gatherers: Sequence[Gatherer] = ()
    bar: Bar | None = None


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--policy", "paths", multiple=True, metavar="PATH", type=click.Path(path_type=Path), help="A file or folder.")
@click.option(
    "--pack", "packs", multiple=True, metavar="NAME", shell_complete=completing.packs, help="Policies shipped with this program."
)
@click.option("-o", "--output", type=click.Choice(["table", "json", *FORMATS]), default="table", show_default=True)
@click.option("--platform", metavar="OS/ARCH|all", help="Of an index; else this machine's, or all if it has none for it.")
@click.option(
    "--dockerfile",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the image was built from, for rules about it.",
)
@click.option("--build-arg", "build_args", multiple=True, metavar="NAME=VALUE", help="Of that build, as with docker.")
@click.option(
    "--environment", metavar="NAME", shell_complete=completing.environments, help="Instead of the one that the configuration says."
)
@config_option
def scan(
    images: tuple[str, ...],
    paths: tuple[Path, ...],
    packs: tuple[str, ...],
    output: str,
    platform: str | None,
    dockerfile: Path | None,
    build_args: tuple[str, ...],
    environment: str | None,
) -> None:
    """Inspect and judge images without a daemon.

    IMAGE is [HOST/]REPOSITORY[:TAG][@DIGEST], oci:DIRECTORY[:TAG], oci-archive:FILE or docker-archive:FILE; a path, as in
    ./DIRECTORY or ./FILE.tar, is whichever of these lies there. --policy and --pack replace the configured policies.

    Exits with 0 for pass, warn and not-applicable, 1 for fail, 3 for unknown; of several images the worst counts. With
    -o cyclonedx or spdx it prints the packages, one document a line.
    """
    if platform is not None and platform != "all" and "/" not in platform:
        raise click.UsageError(f"--platform {platform}: expected OS/ARCH, as in linux/arm64, or all")
    if dockerfile is None and build_args:
        raise click.UsageError("--build-arg needs --dockerfile")
    if dockerfile is not None and len(images) > 1:
        raise click.UsageError("--dockerfile is of one image")
    configure_logging(level=log_level("error"))
    settings = optional_settings()
    asked = Scan(
        images=[NamedImage.parse(text) for text in images],
        policies=chosen_policies(settings.policies, packs, paths),
        platform=platform,
        environment=environment,
        output=output,
        gatherers=_dockerfile(dockerfile, build_args),
    )
    for each in asked.images:
        if each.read_as and not is_quiet():
            click.echo(f"watcher: {printable(each.text)}: read as {printable(each.read_as)}", err=True)
    outcome = asyncio.run(_scan(asked, settings))
    click.get_current_context().exit(EXIT_CODES.get(outcome, 0))


async def _scan(asked: Scan, settings: Settings) -> Outcome:
    """Judge the images in the order they were named, and print each as soon as it is judged. Gives the worst outcome."""
    outcomes: list[Outcome] = []
    async with (
        _registries(settings, asked.images) as registries,
        _judging(asked, settings, registries) as judging,
    ):
        read = set[Digest]()
        for number, named in enumerate(asked.images, start=1):
            place = f"{number} of {len(asked.images)}: " if len(asked.images) > 1 else ""
            try:
                with bar(place + named.text, read) as shown:
                    judged = await _judged(named, replace(asked, bar=shown), settings, registries, judging)
            except (RetryableError, PermanentError) as error:
                # Nothing can be said of this image; the others are judged all the same.
                click.echo(f"watcher: {printable(named.text)}: {printable(str(error))}{named.besides}", err=True)
                outcomes.append(Outcome.UNKNOWN)
                continue
            outcomes.append(judged[-1].verdict.outcome)
            _show(named, judged, asked.output)
    return worst(outcomes)


async def _judged(
    named: NamedImage, asked: Scan, settings: Settings, registries: Registries | None, judging: Judging
) -> Sequence[Judged]:
    """Look at it as often as the daemon does before what a registry answers speaks against it."""
    if isinstance(named.place, Reference):
        for look in range(1, LOOKS):
            try:
                return await _look(named, asked, settings, registries, judging, is_last=False)
            except HeardOnceError:
                await asyncio.sleep(seconds_after(look))
    return await _look(named, asked, settings, registries, judging, is_last=True)


async def _look(
    named: NamedImage, asked: Scan, settings: Settings, registries: Registries | None, judging: Judging, *, is_last: bool
) -> Sequence[Judged]:
    found = await find_image(named, registries)
    task = Task(
        id=uuid4().hex,
        subject=_subject(found, asked.environment, settings),
        tag=found.tag,
        now=utc_now(),
    )
    if isinstance(found.manifest, ANSWERS) and not is_last:
        raise HeardOnceError(found.manifest)
    if isinstance(found.manifest, PermanentError):
        return [judging.unknown(task, "", found.manifest)]
    task = replace(task, platforms=choose_platforms(found.manifest, asked.platform))
    source = found.source if is_last else Patient(source=found.source)
    if asked.bar is not None:
        asked.bar.expect(found.manifest)
        source = Watched(source=source, bar=asked.bar)
    judged = await judging.judge(task, source, found.manifest)
    if len(judged) == 1 and judged[0].verdict.outcome is Outcome.NOT_APPLICABLE and asked.platform not in {None, "all"}:
        # What was asked for is not in there; that nothing can run is not what was asked.
        raise NotFoundError(f"has no image for platform {asked.platform}: {judged[0].verdict.reason}")
    # Of one platform alone the index could only repeat what the platform says.
    return judged[:1] if len(judged) == 2 else judged


def _subject(found: FoundImage, environment: str | None, settings: Settings) -> Subject:
    return Subject(
        registry=found.registry,
        repository=found.source.repository,
        digest=found.digest,
        tags=(found.tag,) if found.tag else (),
        environment=environment or environment_of(settings.environments, found.registry, found.source.repository),
    )


@asynccontextmanager
async def _registries(settings: Settings, images: Sequence[NamedImage]) -> AsyncIterator[Registries | None]:
    """The configured ones, and those that were named: a person may lead us where an image may not. None without any."""
    named = dict.fromkeys(image.place.registry for image in images if isinstance(image.place, Reference))
    known = {each.registry for each in settings.registries}
    reached = [*settings.registries, *(RegistrySettings(host=host) for host in named if host not in known)]
    if not reached:
        # The client of HTTP takes as long to load as a small image in files to judge.
        yield None
        return
    from watcher.registry.access import RegistryClients

    async with RegistryClients.of(reached) as registries:
        yield registries


def _dockerfile(path: Path | None, build_args: Sequence[str]) -> Sequence[Gatherer]:
    """Whoever says what is in it. An argument without a value is that of the environment. Raises ConfigurationError."""
    if path is None:
        return ()
    from watcher.inspection.dockerfile.gatherer import DockerfileGatherer

    told = (each.partition("=") for each in build_args)
    given = {name: value if is_given else os.environ.get(name, "") for name, is_given, value in told}
    try:
        return [DockerfileGatherer(content=path.read_bytes(), build_args=given)]
    except (OSError, ConfigurationError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


@asynccontextmanager
async def _judging(asked: Scan, settings: Settings, registries: Registries | None) -> AsyncIterator[Judging]:
    """Raises ConfigurationError when a policy is wrong or nothing can be inspected safely on this machine."""
    from watcher.advisories.gatherer import AdvisoryGatherer
    from watcher.evaluation.evaluator import ProcessEvaluator
    from watcher.inspection.cache import MemoryLayerCache
    from watcher.inspection.image.base_image import listed_in
    from watcher.inspection.inspector import Inspector

    advisories = AdvisoryGatherer(
        path=config_folder() / settings.advisories.path, max_age_seconds=seconds(settings.advisories.max_age)
    )
    inspector = Inspector(
        settings.inspection,
        cache=MemoryLayerCache(),
        # Fingerprints mean something beside those of the same store only, and here is none.
        salt=secrets.token_bytes(32),
        fetch_base=registries.fetch_configured if registries is not None else None,
    )
    async with ProcessEvaluator(asked.policies) as evaluator, inspector:
        yield Judging(
            inspector=inspector,
            gathering=Gathering(gatherers=[advisories, *asked.gatherers]),
            evaluator=evaluator,
            engine_version=VERSION,
            index_seconds=seconds(settings.inspection.timeout),
            is_base=listed_in(settings.policies.trusted_bases),
        )


def _show(named: NamedImage, judged: Sequence[Judged], output: str) -> None:
    if output in FORMATS:
        _show_sboms(judged, FORMATS[output])
        return
    for each in judged:
        found = _vulnerabilities(each)
        if output == "json":
            inspection = inspection_json(each.inventory) if each.inventory is not None else None
            line = {
                "image": named.text,
                "verdict": verdict_json(each.verdict),
                "inspection": inspection,
                "vulnerabilities": found,
            }
            click.echo(msgspec.json.encode(line))
            continue
        show_verdict(each.verdict, name=named.text, besides=("vulnerabilities",) if found is not None else ())
        if found is not None:
            show_vulnerabilities(found)


def _show_sboms(judged: Sequence[Judged], written: SbomFormat) -> None:
    """One document a line. What has no inventory has none: why is in the verdict, which nothing else would say here."""
    for each in judged:
        subject = each.verdict.subject
        if each.inventory is not None:
            repository = f"{subject.registry}/{subject.repository}" if subject.registry else ""
            click.echo(written.write(Contents(inventory=each.inventory, repository=repository)))
        elif len(judged) == 1:
            click.echo(f"watcher: {printable(each.verdict.reason)}", err=True)


def _vulnerabilities(judged: Judged) -> list[dict[str, Any]] | None:
    """Those of an image; None where there are no data, and for what is no image of one platform."""
    documents: list[dict[str, Any]] = [msgspec.json.decode(each.document) for each in judged.knowledge]
    return next((each["vulnerabilities"] for each in documents if "vulnerabilities" in each), None)
