"""Executables in a confined worker: what is compiled and unpacked for them needs nothing that is forbidden there."""

import json
from pathlib import Path

import pytest

from tests.doubles.executables import build_info, elf, framed
from tests.doubles.image_sources import LIMITS, MemoryImages, layer_tar
from tests.unit.catalogers.test_rust_programs import crate, listed
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.layer_queue import LayerQueue
from watcher.inspection.layers import LayerInspection
from watcher.inspection.workers.zygote import Zygote

pytestmark = pytest.mark.timeout(60)

SNIPPETS = Path(__file__).resolve().parents[1] / "golden" / "programs" / "snippets.json"


async def test_every_known_program_is_known_in_a_worker() -> None:
    """And Go and Rust beside it."""
    snippets = json.loads(SNIPPETS.read_text(encoding="utf-8"))
    files = {f"{number}/{each['path']}": elf(each["content"].encode("latin-1")) for number, each in enumerate(snippets)}
    files["go"] = elf(build_info("go1.22.1", framed("mod example.com/tool v1.2.3 h1:x")))
    files["rust"] = elf(listed(crate("libc", "0.2.150")))
    images = MemoryImages()
    layer = images.add_layer(layer_tar(files))
    async with Zygote(b"salt") as zygote:
        inspection = LayerInspection(zygote=zygote, cache=MemoryLayerCache(), queue=LayerQueue(1), counted=lambda _: None)
        facts = (await inspection.facts(images, layer, LIMITS, lambda _: 30.0)).facts
    assert facts.problems == ()
    found = {each.path: [(package.name, package.version) for package in each.packages] for each in facts.databases}
    assert found == {
        **{f"{number}/{each['path']}": [tuple(one) for one in each["packages"]] for number, each in enumerate(snippets)},
        "go": [("stdlib", "go1.22.1"), ("example.com/tool", "v1.2.3")],
        "rust": [("libc", "0.2.150")],
    }
