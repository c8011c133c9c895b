"""What is true of whoever remembers by which tags an image was known, whatever keeps it."""

from dataclasses import replace

from tests.doubles.inventories import TOP
from tests.doubles.routes import sending
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Subject
from watcher.store.protocol import Judged

OTHER = Digest("sha256:" + "d" * 64)


def tagged(*tags: str, digest: Digest = IMAGE) -> Subject:
    return replace(SUBJECT, digest=digest, tags=tuple(Tag(tag) for tag in tags))


async def history(bench: StoreBench, digest: Digest = IMAGE) -> dict[str, Digest | None]:
    return dict(await bench.tags.tag_history(SUBJECT.registry, SUBJECT.repository, digest))


async def test_an_image_is_known_by_its_tags(bench: StoreBench) -> None:
    """One of which nothing is known has none."""
    assert await history(bench) == {}
    await bench.record("v-1", subject=tagged("latest", "v1"))
    assert await history(bench) == {"latest": IMAGE, "v1": IMAGE}
    assert await history(bench, TOP) == {}


async def test_a_tag_that_left_is_remembered(bench: StoreBench) -> None:
    """With what it leads to now, another image or nothing."""
    await bench.record("v-1", subject=tagged("gone", "latest", "v1"))
    await bench.verdicts.left(SUBJECT.registry, SUBJECT.repository, IMAGE, [Tag("latest"), Tag("gone")])
    assert await history(bench) == {"gone": None, "latest": None, "v1": IMAGE}
    await bench.record("v-2", subject=tagged("latest", digest=OTHER))
    assert await history(bench) == {"gone": None, "latest": OTHER, "v1": IMAGE}
    assert (await history(bench, OTHER))["latest"] == OTHER


async def test_an_image_that_once_had_no_tag_is_remembered(bench: StoreBench) -> None:
    """Whoever keeps something for it without a tag can then let go of that."""
    without = tagged()
    await bench.verdicts.record([Judged(verdict=a_verdict(id="v-1", subject=without, tag=None))], sending({}))
    assert await history(bench) == {"": None}
    await bench.record("v-2", subject=tagged("v1"))
    assert await history(bench) == {"": None, "v1": IMAGE}


async def test_another_repository_has_tags_of_its_own(bench: StoreBench) -> None:
    """The same tag there says nothing of this one."""
    await bench.record("v-1", subject=tagged("v1"))
    await bench.verdicts.left(SUBJECT.registry, SUBJECT.repository, IMAGE, [Tag("v1")])
    await bench.record("v-2", subject=replace(tagged("v1", digest=OTHER), repository=RepositoryName("team/other")))
    assert await history(bench) == {"v1": None}
