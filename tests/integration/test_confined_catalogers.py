"""Every cataloger in a confined worker, on what it reads and on what is wrong: nothing that it needs is forbidden there.

A codec that is imported when the first text of its kind comes by, or a pattern that is compiled then, works everywhere else.
"""

import pytest

from tests.contract.test_cataloger_contract import EXAMPLES
from tests.doubles.image_sources import LIMITS, MemoryImages, layer_tar
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.catalogers.catalog import CATALOGERS, NOTED
from watcher.inspection.layer_queue import LayerQueue
from watcher.inspection.layers import LayerInspection
from watcher.inspection.workers.zygote import Zygote
from watcher.model.inventory import LayerFacts

pytestmark = pytest.mark.timeout(120)

WRONG = (
    b"",
    b"\xff\xfe\x00a",
    b"{",
    b'{"a": [',
    b"\x1f\x8b\x08",
    "é\U0001f600".encode(),
    b"[[package]]\nname = 'a'\n",
    b"a==1 \\\n",
    b"<a>\n",
)


async def read(*layers: dict[str, bytes]) -> list[LayerFacts]:
    images = MemoryImages()
    async with Zygote(b"salt") as zygote:
        inspection = LayerInspection(zygote=zygote, cache=MemoryLayerCache(), queue=LayerQueue(1), counted=lambda _: None)
        found = [await inspection.facts(images, images.add_layer(layer_tar(files)), LIMITS, lambda _: 60.0) for files in layers]
    return [each.facts for each in found]


async def test_each_reads_its_example_in_a_worker() -> None:
    """What it finds is there, and nothing is said to be wrong."""
    (facts,) = await read({each.path: each.content for each in EXAMPLES.values()})
    assert facts.problems == ()
    told = {(each.path, each.type) for each in facts.databases} | {(each.path, each.type) for each in facts.notes}
    told |= {(each.path, each.type) for each in facts.file_lists} | {(each.path, each.type) for each in facts.certificates}
    assert told >= {(each.path, kind) for kind, each in EXAMPLES.items()}
    assert {kind for kind in EXAMPLES if kind not in NOTED} <= {each.type for each in facts.databases}


async def test_what_is_wrong_ends_no_worker() -> None:
    """Cut short, followed by something else, or another file under each name that is asked for."""
    names = {name.decode() for cataloger in CATALOGERS.values() for name in cataloger.selection.names}
    layers = [
        {each.path: each.content[: len(each.content) // 2] for each in EXAMPLES.values()},
        {each.path: each.content[:16] + b"\xff\x00\x7f" * 99 for each in EXAMPLES.values()},
        *({f"srv/{name}": content for name in names} for content in WRONG),
        *({each.path: content for each in EXAMPLES.values()} for content in WRONG),
    ]
    found = await read(*layers)
    assert [len(facts.files) for facts in found] == [len(files) for files in layers], "a worker that crashed has listed nothing"
    assert not any(problem.fatal for facts in found for problem in facts.problems)
