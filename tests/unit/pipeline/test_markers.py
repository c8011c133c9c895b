"""A tag that marks an image: no name, no news, and no way past an inspection."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.judges import JudgeBench, an_image, open_judge
from watcher.backlog.protocol import Done, Lane
from watcher.model.errors import TimedOutError
from watcher.model.quarantine import marker_tag

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        yield opened


async def test_what_is_marked_has_its_verdict_already(bench: JudgeBench) -> None:
    """The event of the marker, whoever pushed it, ends without a word to anybody."""
    image = an_image()
    await bench.settled(bench.put(image))
    bench.put(image, marker_tag(image.digest))
    assert await bench.settled(image.digest, tag=marker_tag(image.digest)) == Done(result="marker")
    assert len(bench.recorded) == 1


async def test_what_has_no_verdict_is_judged_whatever_it_is_called(bench: JudgeBench) -> None:
    """Anybody may push by the name of a marker; the name is no name of the image."""
    image = an_image()
    bench.put(image, marker_tag(image.digest))
    assert await bench.settled(image.digest, tag=marker_tag(image.digest)) == Done(result="pass")
    said = await bench.verdicts.latest(image.digest)
    assert said is not None
    assert (said.tag, said.subject.tags, bench.inspector.seen) == (None, (), [image.digest])


async def test_what_could_not_be_decided_is_looked_at_again(bench: JudgeBench) -> None:
    """That somebody could not look is no verdict of it."""
    image = an_image()
    bench.inspector.error = TimedOutError("too large")
    await bench.settled(bench.put(image))
    bench.put(image, marker_tag(image.digest))
    assert await bench.settled(image.digest, tag=marker_tag(image.digest)) == Done(result="unknown")
    assert len(bench.recorded) == 2


async def test_the_marker_of_another_is_a_tag_like_any(bench: JudgeBench) -> None:
    """It says of the image under it what somebody chose."""
    image, other = an_image(), an_image("b")
    await bench.settled(bench.put(image))
    bench.put(image, marker_tag(other.digest))
    await bench.settled(image.digest, tag=marker_tag(other.digest))
    said = await bench.verdicts.latest(image.digest)
    assert said is not None
    assert marker_tag(other.digest) in said.subject.tags


async def test_a_marker_beside_a_tag_is_left_out(bench: JudgeBench) -> None:
    """Events that came together: people know the image by the other."""
    image = an_image()
    bench.put(image, marker_tag(image.digest))
    bench.put(image, "v1")
    await bench.settled(image.digest, tag=marker_tag(image.digest), lane=Lane.CI)
    await bench.settled(image.digest, tag="v1")
    said = await bench.verdicts.latest(image.digest)
    assert said is not None
    assert (said.tag, said.subject.tags) == ("v1", ("v1",))
