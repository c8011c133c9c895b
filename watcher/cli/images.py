"""What a person names on the command line: an image of a registry, or one that lies in files."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from watcher.model.as_reference import as_reference
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, PermanentError
from watcher.model.image import FetchedManifest, Index
from watcher.model.reference import (
    TAG_PATTERN,
    Host,
    Reference,
    Tag,
    parse_reference,
)
from watcher.model.verdict import Outcome
from watcher.registry.layouts import LocalImage, open_local, parse_local
from watcher.registry.local_paths import local_at
from watcher.registry.protocol import ImageSource, Registries

# What stands for the registry of an image that is in none. A reference cannot name it: without a dot or a port it is no host.
LOCAL = Host("local")

EXIT_CODES = {Outcome.FAIL: 1, Outcome.UNKNOWN: 3}
"""Exit codes by outcome; everything that is not here is 0."""

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImage:
    """One image as it was named, `text`, and what that means."""

    text: str
    place: Reference | LocalImage

    @classmethod
    def parse(cls, text: str) -> "NamedImage":
        """`docker://` before a name and the path of an image in files are understood, too.

        Raises:
            InvalidReferenceError: it is something else; the text says what to write.
            ConfigurationError: no path after `oci:` and its like, or nothing that is an image at a path.
        """
        return cls(text=text, place=parse_local(text) or local_at(text) or parse_reference(as_reference(text)))

    @property
    def besides(self) -> str:
        """What else may have been meant by the name of an image that was not found: as with docker it is no path."""
        is_there = isinstance(self.place, Reference) and Path(self.text).exists()
        return f"; what lies here by that name is ./{self.text}" if is_there else ""

    @property
    def read_as(self) -> str:
        """How a path was understood; empty for what was named in full."""
        is_path = isinstance(self.place, LocalImage) and parse_local(self.text) is None
        return str(self.place) if is_path else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """An image, and the name policies know it by. `manifest` is why there is none where its bytes are there and cannot be read."""

    registry: Host
    tag: Tag | None
    source: ImageSource
    digest: Digest
    manifest: FetchedManifest | PermanentError


async def find_image(named: NamedImage, registries: Registries | None) -> FoundImage:
    """Fetch the manifest or index. An image that lies in files needs no `registries`.

    Raises:
        ConfigurationError: no such file. NotFoundError: no such image. RetryableError, PermanentError: as `open_local` and
            `Registries.head` do.
    """
    place = named.place
    if isinstance(place, LocalImage):
        local = await open_local(place)
        manifest = await _fetched(local, local.root)
        return FoundImage(registry=LOCAL, tag=local_tag(place), source=local, digest=local.root, manifest=manifest)
    assert registries is not None
    source = registries.images(place.registry, place.repository)
    wanted = place.digest or place.tag
    if wanted is None:  # the grammar gives every reference one of them
        raise NotFoundError(f"{place}: names neither a tag nor a digest")
    manifest = await _fetched(source, wanted)
    digest = manifest.digest if isinstance(manifest, FetchedManifest) else place.digest or await registries.head(place)
    if digest is None:
        raise NotFoundError(f"{place}: the registry has no such manifest")
    return FoundImage(registry=place.registry, tag=place.tag, source=source, digest=digest, manifest=manifest)


async def _fetched(source: ImageSource, reference: Digest | Tag) -> FetchedManifest | PermanentError:
    try:
        return await source.manifest(reference)
    except NotFoundError:
        raise
    except PermanentError as error:
        return error


def local_tag(image: LocalImage) -> Tag | None:
    """The name as a tag, or the tag at the end of a name like `team/app:v1`."""
    candidates = (image.name or "", (image.name or "").rpartition(":")[2])
    return next((Tag(text) for text in candidates if TAG_PATTERN.fullmatch(text)), None)


def choose_platforms(manifest: FetchedManifest, wanted: str | None, machine: str = "") -> Callable[[str], bool]:
    """Which entries of an index to judge: those of `wanted`, all, or without a wish those of `machine` if there is one,
    which is this machine unless it is named.

    Raises:
        NotFoundError: the index has nothing for a platform that was asked for; the text lists what it has.
    """
    if wanted == "all" or not isinstance(manifest.content, Index):
        return lambda _: True
    offered = [entry.platform for entry in manifest.content.manifests if entry.platform]
    chosen = wanted or this_machine(machine)

    def matches(offer: str) -> bool:
        return offer == chosen or offer.startswith(f"{chosen}/")

    if any(map(matches, offered)):
        return matches
    if wanted is None:
        return lambda _: True
    if len(offered) == len(manifest.content.manifests):
        raise NotFoundError(f"has no platform {wanted}; it has: {_listed(offered)}")
    # Entries that do not say their platform are judged in any case.
    return matches


def this_machine(machine: str = "") -> str:
    """`linux/ARCH`: containers are Linux's wherever this runs."""
    machine = (machine or platform.machine()).lower()
    return f"linux/{_MACHINES.get(machine, machine)}"


def _listed(platforms: Sequence[str]) -> str:
    return ", ".join(sorted({each for each in platforms if not each.startswith("unknown")})[:20]) or "none"
