"""What VEX says of a vulnerability in a package of an image. Pure.

Spec: OpenVEX 0.2.0, "Product" and "Subcomponents"; ECMA-427 (purl).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote

from watcher.advisories.record import Statement
from watcher.model.inventory import PackageRecord
from watcher.model.verdict import Subject

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purl:
    """A package URL, taken apart. `version` is empty where it names every one."""

    type: str
    name: str
    version: str = ""
    qualifiers: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=10_000)
def parse_purl(text: str) -> Purl | None:
    """None for what is none. `name` has the namespace before it."""
    if not text.startswith("pkg:") or len(text) > 2000:
        return None
    path, _, query = text[4:].partition("#")[0].partition("?")
    kind, _, rest = path.strip("/").partition("/")
    # A scope of npm begins with the character that begins a version.
    name, at, version = rest.rpartition("@")
    if not at or "/" in version:
        name, version = rest, ""
    if not kind or not name:
        return None
    qualifiers = {key: unquote(value) for key, _, value in (pair.partition("=") for pair in query.split("&")) if value}
    return Purl(type=kind.lower(), name=unquote(name).strip("/"), version=unquote(version), qualifiers=qualifiers)


def statement_for(said: Iterable[Statement], record: PackageRecord, subject: Subject) -> Statement | None:
    """Of statements about one vulnerability the latest that is about this package of this image; None when none is."""
    about = [each for each in said if is_about(each, record, subject)]
    return max(about, key=lambda each: each.said or _LONG_AGO, default=None)


def is_about(said: Statement, record: PackageRecord, subject: Subject | None) -> bool:
    """Parts are packages of a product that is the image, or holds it; a product without parts is the image, or the package.

    Without `subject` it is asked of the package alone, in whichever image.
    """
    whole = any(
        (subject is not None and names_image(product, subject)) or names_package(product, record) for product in said.products
    )
    return whole and (not said.parts or any(names_package(part, record) for part in said.parts))


def names_package(text: str, record: PackageRecord) -> bool:
    """Whether a purl is of this package: the same type and name, and whatever else it says."""
    wanted, installed = parse_purl(text), parse_purl(record.purl)
    if wanted is None or installed is None or wanted.type != installed.type:
        return False
    is_source = wanted.qualifiers.get("arch") in {"source", "src"}  # as Debian and as RPM call it
    version = record.source_version if is_source else installed.version
    named_by_source = is_source and wanted.name.rpartition("/")[2] == record.source
    if wanted.name not in {installed.name, record.name} and not named_by_source:
        return False
    if wanted.version and wanted.version not in {version, record.version}:
        return False
    ours = installed.qualifiers
    return all(
        ours.get(key, value) == value
        for key, value in wanted.qualifiers.items()
        if key == "distro" or (key == "arch" and not is_source)
    )


def names_image(text: str, subject: Subject) -> bool:
    """Whether a product is this image: `pkg:oci/NAME@sha256:…?repository_url=…`, or its name, with a digest, a tag or neither."""
    repository = f"{subject.registry}/{subject.repository}"
    wanted = parse_purl(text)
    if wanted is None:
        return text == subject.digest or text in {
            repository,
            f"{repository}@{subject.digest}",
            *(f"{repository}:{tag}" for tag in subject.tags),
        }
    if wanted.type not in {"oci", "docker"} or wanted.name.rpartition("/")[2] != subject.repository.rpartition("/")[2]:
        return False
    at = wanted.qualifiers.get("repository_url", "")
    if at and at.rstrip("/") not in {repository, repository.rpartition("/")[0], subject.registry}:
        return False
    tag = wanted.qualifiers.get("tag", "")
    if not at and not wanted.version:
        return False  # any image of anybody that is called so
    return wanted.version in {"", subject.digest} and (not tag or tag in subject.tags)
