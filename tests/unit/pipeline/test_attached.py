"""An SBOM that is attached to an image after it was judged."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.doubles.attaching import attached, spdx
from tests.doubles.judges import REPOSITORY, JudgeBench, an_image, open_judge
from watcher.backlog.protocol import Done, Lane
from watcher.model.digest import Digest
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.model.referrers_tag import fallback_tag
from watcher.model.sbom_types import OUR_MARK, SPDX_JSON
from watcher.testing.images import BuiltImage, put_image

pytestmark = pytest.mark.enable_socket

IMAGE = an_image()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[JudgeBench]:
    """In which the image was judged."""
    async with open_judge(tmp_path) as opened:
        assert await opened.settled(opened.put(IMAGE)) == Done(result="pass")
        yield opened


async def pushed(bench: JudgeBench, artefact: BuiltImage) -> Sequence[Digest | None]:
    """What is judged after an artefact was pushed and looked at."""
    assert await bench.settled(put_image(bench.registry, REPOSITORY, artefact), tag=None) == Done(result="not-applicable")
    return await again(bench)


async def again(bench: JudgeBench) -> Sequence[Digest | None]:
    done = []
    while jobs := await bench.backlog.lease(tuple(Lane), 1):
        await bench.backlog.settle(jobs[0], await bench.judge.judge(jobs[0]))
        done.append(jobs[0].push.digest)
    return done


async def test_the_image_is_looked_at_again(bench: JudgeBench) -> None:
    """It was judged without it."""
    assert await pushed(bench, attached(IMAGE, SPDX_JSON, spdx("pkg:npm/a@1"))) == [IMAGE.digest]
    assert bench.inspector.seen == [IMAGE.digest] * 2


async def test_a_list_of_referrers_says_so_too(bench: JudgeBench) -> None:
    """A registry without the API lists nothing before that is there."""
    sbom = attached(IMAGE, SPDX_JSON, spdx("pkg:npm/a@1"))
    entry = {"mediaType": OCI_MANIFEST, "digest": put_image(bench.registry, REPOSITORY, sbom), "size": len(sbom.raw)}
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**entry, "artifactType": SPDX_JSON}]}).encode()
    tag = fallback_tag(IMAGE.digest)
    await bench.settled(bench.registry.content.writable(REPOSITORY).put_manifest(raw, OCI_INDEX, tag).digest, tag=tag)
    assert await again(bench) == [IMAGE.digest]


async def test_no_other_artefact_does_that(bench: JudgeBench) -> None:
    """Not one of ours, nor of another kind, nor of an image that was never judged."""
    stranger = an_image("never judged")
    bench.put(stranger, "v2")
    others = [
        attached(IMAGE, SPDX_JSON, spdx(), annotations={OUR_MARK: "sha256:1"}),
        attached(IMAGE, "application/vnd.example.signature", b"{}"),
        attached(stranger, SPDX_JSON, spdx()),
    ]
    assert [await pushed(bench, each) for each in others] == [[], [], []]
