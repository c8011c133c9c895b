"""Lists of referrers are pushed like images: with ours in them, with others', and with what no list should have."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.attaching import attached
from tests.doubles.judges import REPOSITORY, JudgeBench, open_judge
from watcher.backlog.protocol import Done
from watcher.model.digest import Digest
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.model.reference import Tag
from watcher.model.referrers_tag import fallback_tag
from watcher.registry.referrers import index_of
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image

pytestmark = pytest.mark.enable_socket

IMAGE = build_image([build_layer({"app": "x"})])
OURS, THEIRS = attached(IMAGE, "application/x.verdict", b"ours"), attached(IMAGE, "application/x.signature", b"theirs")
TAG = fallback_tag(IMAGE.digest)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    async with open_judge(tmp_path) as opened:
        opened.put(IMAGE)
        yield opened


def put_list(bench: JudgeBench, *entries: BuiltImage, tag: Tag = TAG) -> Digest:
    listed = [{"mediaType": OCI_MANIFEST, "digest": each.digest, "size": len(each.raw)} for each in entries]
    return bench.registry.content.writable(REPOSITORY).put_manifest(index_of(listed), OCI_INDEX, tag).digest


async def test_an_entry_of_ours_that_we_replaced_is_not_looked_for(bench: JudgeBench) -> None:
    """Somebody has written the list with our last verdict in it, which is gone: nothing about that is unknown."""
    await bench.own_writes.claim([OURS.digest])
    for each in (OURS, THEIRS):
        put_image(bench.registry, REPOSITORY, each)
    digest = put_list(bench, OURS, THEIRS)
    del bench.registry.content.writable(REPOSITORY).manifests[OURS.digest]
    # What it lists is no part of it: each has its own verdict.
    assert await bench.settled(digest, tag=TAG) == Done(result="not-applicable")


async def test_a_list_that_we_wrote_is_no_work_under_its_tag(bench: JudgeBench) -> None:
    """By the tag alone, too; under another one everything in it is looked at."""
    planted = build_image([build_layer({"evil": "y"})])
    put_image(bench.registry, REPOSITORY, planted)
    digest = put_list(bench, planted)
    await bench.own_writes.claim([digest], under=TAG)
    assert await bench.settled(digest, tag=TAG) == Done(result="published-by-us")
    assert await bench.settled(None, tag=TAG) == Done(result="published-by-us")
    assert not bench.inspector.seen
    bench.registry.content.writable(REPOSITORY).tags[Tag("latest")] = digest
    assert await bench.settled(digest, tag="latest") == Done(result="pass", absorbed=(planted.digest,))
    assert bench.inspector.seen == [planted.digest]


async def test_what_we_removed_before_we_heard_of_it_is_no_news(bench: JudgeBench) -> None:
    """The event of our own push, late: nobody is told of something that nobody can look at."""
    await bench.own_writes.claim([OURS.digest])
    await bench.own_writes.forget([OURS.digest])
    job = replace(await bench.job(OURS.digest, tag=None), attempt=9)
    assert await bench.judge.judge(job) == Done(result="gone")
    assert not bench.recorded
