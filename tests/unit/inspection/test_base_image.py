"""The base image: a claim counts once it was compared, and layers seen before are recognised."""

from collections.abc import Mapping

import pytest

from tests.doubles.image_sources import MemoryBases
from watcher.inspection.image.base_image import BASE_DIGEST, BASE_NAME, BaseFinder
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, RegistryUnavailableError
from watcher.model.image import FetchedManifest, Manifest
from watcher.model.image_json import parse_manifest
from watcher.model.reference import Reference, RepositoryName, parse_reference
from watcher.model.verdict import SectionState
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer

ONE, TWO, THREE = (build_layer({name: name}) for name in ("one", "two", "three"))
BASE = build_image([ONE, TWO])
APP = RepositoryName("team/app")


def fetched(image: BuiltImage) -> FetchedManifest:
    content = parse_manifest(image.raw, image.media_type)
    return FetchedManifest(digest=image.digest, media_type=image.media_type, raw=image.raw, content=content)


class Registry:
    """The one configured registry. An error is raised for whatever it is kept under."""

    def __init__(self, held: Mapping[str, BuiltImage | Exception]) -> None:
        self.held = held
        self.asked: list[str] = []

    async def fetch(self, reference: Reference) -> FetchedManifest | None:
        self.asked.append(str(reference))
        if reference.registry != "registry.example.com":
            return None
        held = self.held.get(str(reference.digest or reference.tag))
        if isinstance(held, Exception):
            raise held
        if held is None:
            raise NotFoundError(str(reference))
        return fetched(held)


def image(**annotations: str) -> Manifest:
    names = {"name": BASE_NAME, "digest": BASE_DIGEST}
    built = build_image([ONE, TWO, THREE], annotations={names[name]: value for name, value in annotations.items()})
    content = parse_manifest(built.raw, built.media_type)
    assert isinstance(content, Manifest)
    return content


NAME = "registry.example.com/base/debian:12"
IMAGE = Digest("sha256:" + "9" * 64)


async def test_a_claim_counts_when_its_layers_are_the_first_of_the_image() -> None:
    """The manifest of that digest is fetched and compared; the tag, which was not, is left out."""
    registry = Registry({BASE.digest: BASE})
    finder = BaseFinder(fetch=registry.fetch)
    base, section = await finder.find(APP, IMAGE, image(name=NAME, digest=BASE.digest))
    assert (base.known, base.how, base.layer_count, base.digest) == (True, "annotation", 2, BASE.digest)
    assert base.reference == f"registry.example.com/base/debian@{BASE.digest}"
    assert section.state is SectionState.COMPLETE


async def test_a_claim_without_a_digest_is_compared_by_its_tag() -> None:
    """What the tag is now either has these layers or not."""
    finder = BaseFinder(fetch=Registry({"12": BASE}).fetch)
    base, _ = await finder.find(APP, IMAGE, image(name=NAME))
    assert (base.reference, base.digest) == (NAME, BASE.digest)


async def test_a_claim_may_name_an_index() -> None:
    """One of its platforms must have the layers; the base is the index that was named."""
    other = build_image([THREE], platform="linux/arm64")
    index = build_index([other, BASE])
    held = {str(each.digest): each for each in (index, other, BASE)}
    finder = BaseFinder(fetch=Registry(held).fetch)
    base, _ = await finder.find(APP, IMAGE, image(name=NAME, digest=index.digest))
    assert (base.known, base.layer_count, base.digest) == (True, 2, index.digest)


@pytest.mark.parametrize(
    ("annotations", "held", "reason"),
    [
        ({}, {}, "no annotation names a base image"),
        ({"digest": BASE.digest}, {}, "no annotation names a base image"),
        ({"name": "not a name"}, {}, "no valid name"),
        ({"name": "elsewhere.example.com/base:1"}, {}, "in no configured registry"),
        ({"name": NAME, "digest": BASE.digest}, {}, "could not be fetched (not-found)"),
        ({"name": NAME}, {"12": RegistryUnavailableError("down")}, "could not be fetched (registry-unavailable)"),
        ({"name": NAME}, {"12": build_image([THREE])}, "has other layers"),
        ({"name": NAME}, {"12": build_image([ONE, THREE])}, "has other layers"),
        ({"name": NAME}, {"12": build_image([])}, "has other layers"),
        ({"name": NAME}, {"12": build_image([ONE, TWO, THREE, ONE])}, "has other layers"),
    ],
)
async def test_a_claim_that_does_not_hold_is_ignored(
    annotations: dict[str, str], held: dict[str, BuiltImage | Exception], reason: str
) -> None:
    """With the reason, since annotations are what the image's author says."""
    finder = BaseFinder(fetch=Registry(held).fetch)
    base, section = await finder.find(APP, IMAGE, image(**annotations))
    assert not base.known
    assert section.state is SectionState.MISSING
    assert reason in section.reason


async def test_without_registries_no_claim_is_compared() -> None:
    """Nothing is dialled that nobody configured."""
    base, section = await BaseFinder().find(APP, IMAGE, image(name=NAME))
    assert not base.known
    assert "in no configured registry" in section.reason


def seen(*names: tuple[int, str]) -> MemoryBases:
    return MemoryBases([([ONE.digest, TWO.digest][:length], parse_reference(name)) for length, name in names])


async def test_layers_that_were_seen_before_are_recognised() -> None:
    """The longest beginning counts, even where a false claim was made."""
    bases = seen((2, f"{NAME}@{BASE.digest}"), (1, "registry.example.com/base/small:1"))
    finder = BaseFinder(known=bases, fetch=Registry({}).fetch)
    base, section = await finder.find(APP, IMAGE, image(name=NAME))
    assert (base.known, base.how, base.layer_count, base.digest) == (True, "layers", 2, Digest(BASE.digest))
    assert section.state is SectionState.COMPLETE


async def test_an_earlier_push_of_the_same_repository_is_no_base() -> None:
    """Two builds share their first layers; that makes neither the base of the other."""
    base, _ = await BaseFinder(known=seen((2, "registry.example.com/team/app:1"))).find(APP, IMAGE, image())
    assert not base.known


async def test_only_trusted_images_are_recognised_where_a_list_says_so() -> None:
    """A longer beginning elsewhere does not hide the trusted one."""
    bases = seen((2, "registry.example.com/other/thing:1"), (1, "registry.example.com/base/small:1"))
    finder = BaseFinder(known=bases, trusted=lambda: lambda reference: reference.repository.startswith("base/"))
    base, _ = await finder.find(APP, IMAGE, image())
    assert (base.layer_count, base.reference) == (1, "registry.example.com/base/small:1")
