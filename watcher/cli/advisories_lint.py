"""`watcher advisories lint-vex`: statements that would do nothing."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from watcher.advisories.documents import documents
from watcher.advisories.formats.catalog import READERS, format_of
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.record import Malformed, Statement
from watcher.advisories.vex import names_image
from watcher.advisories.vex_lint import UNJUSTIFIED, Held, Remark, images_wanted, names_wanted, remarks_on
from watcher.cli.options import config_folder, config_option, optional_settings, output_option, required_settings
from watcher.cli.terminal import is_terminal, show_record
from watcher.kit.counted import counted
from watcher.kit.printable import printable
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError
from watcher.model.first_use import known
from watcher.model.inventory import Distro, PackageRecord
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Subject
from watcher.storage import Storage, opened
from watcher.store.protocol import PackageName, PackageQuery

EXIT_REMARKS = 1
MALFORMED = "malformed"
# The packages that hold a name are told by so many images; images of a product's name that are looked at.
MAX_IMAGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """A statement, or why it is none, and where it stands."""

    where: str
    statement: Statement | Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stock:
    """What is held."""

    packages: Sequence[Held]
    subjects: Sequence[Subject]

    def for_statement(self, said: Statement) -> tuple[Sequence[Held], Sequence[Subject]]:
        names, images = names_wanted(said), images_wanted(said)
        packages = [
            each
            for each in self.packages
            if each.record.name in names or each.record.source in names or (each.subject and _is_named(each.subject, images))
        ]
        return packages, [each for each in self.subjects if _is_named(each, images)]


@click.command("lint-vex")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--inspection",
    "inspections",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What `watcher scan -o json` printed of an image, instead of the images in the store.",
)
@output_option
@config_option
def lint_vex(files: tuple[Path, ...], inspections: tuple[Path, ...], output: str) -> int:
    """Say which VEX statements would do nothing, and what they may have meant.

    Each statement of the OpenVEX and CSAF documents is held against the advisories and the stored images, or the --inspection
    of an image. Ends with 1 when there is one that does nothing. Nothing is imported.
    """
    said = list(_statements(files))
    try:
        data = AdvisoryFile(config_folder() / optional_settings().advisories.path)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{error}: there are no advisories to hold them against: watcher advisories update") from error
    statements = [each.statement for each in said if isinstance(each.statement, Statement)]
    stock = _inspected(inspections) if inspections else asyncio.run(_stored(statements))
    found = [(each, list(_remarks(each, stock, data))) for each in said]
    data.close()
    for each, remarks in found:
        for remark in remarks:
            if output == "json":
                click.echo(msgspec.json.encode(_json(each, remark)))
            else:
                _show(each, remark)
    idle = sum(any(remark.kind != UNJUSTIFIED for remark in remarks) for _, remarks in found)
    if output != "json":
        click.echo(f"{counted(len(said), 'statement')}, {idle} would do nothing")
    return EXIT_REMARKS if idle else 0


def _statements(files: Iterable[Path]) -> Iterator[_Said]:
    for document in documents(files):
        kind = format_of(document.content, name=document.name)
        if kind not in {"openvex", "csaf"}:
            yield _Said(where=document.name, statement=Malformed(where=document.name, reason="neither OpenVEX nor CSAF"))
            continue
        try:
            for number, record in enumerate(READERS[kind](document.content, name=document.name), start=1):
                if isinstance(record, Malformed):
                    yield _Said(where=record.where, statement=record)
                elif isinstance(record, Statement):
                    yield _Said(where=f"{document.name} statement {number}", statement=record)
        except NotThisFormatError as error:
            yield _Said(where=document.name, statement=Malformed(where=document.name, reason=str(error)))


def _remarks(said: _Said, stock: _Stock, data: AdvisoryFile) -> Iterator[Remark]:
    if isinstance(said.statement, Malformed):
        yield Remark(kind=MALFORMED, text=said.statement.reason)
    else:
        yield from remarks_on(said.statement, *stock.for_statement(said.statement), data)


async def _stored(statements: Sequence[Statement]) -> _Stock:
    """What of the stored images the statements may be about."""
    _, settings = required_settings()
    names = sorted({name for said in statements for name in names_wanted(said)})
    images = {name for said in statements for name in images_wanted(said)}
    async with opened(settings.store) as storage:
        subjects = await _subjects(storage, images) if images else []
        packages = [*await _packages(storage, names), *await _of_products(storage, statements, subjects)]
    return _Stock(packages=packages, subjects=subjects)


async def _packages(storage: Storage, names: Sequence[str]) -> Sequence[Held]:
    """Every version of them in any image, by the names that advisories have for them."""
    known: dict[PackageName, None] = {}
    for name in names:
        for image in await storage.packages.holding(PackageQuery(name=name), limit=MAX_IMAGES):
            known.update({PackageName(type=each.type, name=each.source or each.name): None for each in image.packages})
    found = await storage.packages.installed(list(known)) if known else []
    return [Held(record=each.record, distro=_distro(each.distro)) for each in found]


async def _subjects(storage: Storage, images: set[str]) -> list[Subject]:
    found: list[Subject] = []
    after: str | None = None
    while rows := await storage.images.images(after=after, limit=1000):
        after = rows[-1].digest
        for row in rows:
            if row.repository.rpartition("/")[2] in images and len(found) < MAX_IMAGES:
                found += [verdict.subject for verdict in await storage.images.subjects(row.digest)]
    return list(dict.fromkeys(found))


async def _of_products(storage: Storage, statements: Sequence[Statement], subjects: Sequence[Subject]) -> list[Held]:
    """All packages of images that a statement names."""
    found: list[Held] = []
    for subject in subjects:
        if any(names_image(product, subject) for said in statements for product in said.products):
            inventory = await storage.images.inventory(subject.digest)
            packages = inventory.packages if inventory is not None else ()
            distro = inventory.distro if inventory is not None else Distro()
            found += [Held(record=each.record, distro=distro, subject=subject) for each in packages]
    return found


class _Package(msgspec.Struct, frozen=True):
    type: str
    name: str
    version: str
    source: str = ""
    purl: str = ""


class _Release(msgspec.Struct, frozen=True):
    id: str = ""
    version: str = ""


class _Inspection(msgspec.Struct, frozen=True):
    packages: list[_Package]
    distro: _Release = _Release()


class _Image(msgspec.Struct, frozen=True):
    registry: str
    repository: str
    digest: str


class _Tagged(msgspec.Struct, frozen=True):
    tags: tuple[Tag, ...] = ()


class _Verdict(msgspec.Struct, frozen=True):
    image: _Image
    subject: _Tagged = _Tagged()


class _Scanned(msgspec.Struct, frozen=True):
    """A line of `watcher scan -o json`, docs/reference/verdict.md and inspection.md."""

    inspection: _Inspection
    verdict: _Verdict


def _inspected(files: Iterable[Path]) -> _Stock:
    packages: list[Held] = []
    subjects: list[Subject] = []
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                scanned = msgspec.json.decode(line, type=known(_Scanned))
            except (msgspec.DecodeError, UnicodeError) as error:
                raise ConfigurationError(f"{file}:{number}: not what `watcher scan -o json` prints: {error!s:.200}") from error
            image, distro = scanned.verdict.image, scanned.inspection.distro
            subject = Subject(
                registry=Host(image.registry),
                repository=RepositoryName(image.repository),
                digest=Digest(image.digest),
                tags=scanned.verdict.subject.tags,
            )
            subjects.append(subject)
            for each in scanned.inspection.packages:
                record = PackageRecord(type=each.type, name=each.name, version=each.version, source=each.source, purl=each.purl)
                packages.append(Held(record=record, distro=Distro(id=distro.id, version=distro.version), subject=subject))
    return _Stock(packages=packages, subjects=subjects)


def _distro(release: str) -> Distro:
    """From `debian:12`."""
    name, _, version = release.partition(":")
    return Distro(id=name, version=version, known=bool(name))


def _is_named(subject: Subject, images: set[str]) -> bool:
    return subject.repository.rpartition("/")[2] in images


def _show(said: _Said, remark: Remark) -> None:
    """At a terminal what is near stands below, each on a line of its own."""
    if not is_terminal():
        show_record((said.where, _about(said), remark.kind, remark.text, "; ".join(remark.near)))
        return
    about = f"{_about(said)}: " if _about(said) else ""
    for line in (f"{said.where}: {about}{remark.kind}: {remark.text}", *(f"  near: {near}" for near in remark.near)):
        click.echo(printable(line))


def _about(said: _Said) -> str:
    return f"{said.statement.ids[0]} {said.statement.status}" if isinstance(said.statement, Statement) else ""


def _json(said: _Said, remark: Remark) -> dict[str, Any]:
    statement = said.statement
    about: dict[str, Any] = {}
    if isinstance(statement, Statement):
        about = {"ids": statement.ids, "status": statement.status, "products": statement.products, "parts": statement.parts}
    return {"where": said.where, **about, "kind": remark.kind, "text": remark.text, "near": remark.near}
