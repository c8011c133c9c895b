"""The longest time for which the event loop does not turn: `python bench/loop.py [--files 1000000]`.

An image of a few files and one of many are inspected, evaluated and recorded, as the daemon does it, while the loop is looked at
every millisecond. In the same run, so that the machine's own pauses are in both.
"""

import argparse
import asyncio
import contextlib
import io
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from bench.results import Result, told
from tests.doubles.databases import open_database
from tests.doubles.image_sources import MemoryImages
from tests.doubles.routes import nobody
from watcher.evaluation.evaluator import ProcessEvaluator
from watcher.evaluation.policies.loading import load_policies
from watcher.inspection.inspector import Inspector
from watcher.inspection.settings import InspectionSettings
from watcher.kit.clock import utc_now
from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import Subject
from watcher.pipeline.gathering import Gathering
from watcher.pipeline.judging import Judging, Task
from watcher.store.facts import LayerStore
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.images import Layer, build_image

FEW = 1000
TICK_SECONDS = 0.001


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    return asyncio.run(_measure(parser.parse_args().files))


async def _measure(files: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_database(Path(folder) / "watcher.db") as database,
            ProcessEvaluator(load_policies()) as evaluator,
            Inspector(InspectionSettings(), cache=LayerStore(database), salt=b"bench") as inspector,
        ):
            judging = Judging(inspector=inspector, gathering=Gathering(), evaluator=evaluator, engine_version="bench")
            verdicts = StoredVerdicts(database, utc_now)
            longest = {}
            for count in (FEW, files):
                longest[count], seconds = await _longest(judging, verdicts, count)
                print(f"{count} files took {seconds:.1f} s")
            result = Result(
                what=f"event loop at a standstill, image of {files} files",
                unit="ms",
                ours=1000 * longest[files],
                against=f"of {FEW} files",
                other=1000 * longest[FEW],
            )
            return told(result)


async def _longest(judging: Judging, verdicts: StoredVerdicts, count: int) -> tuple[float, float]:
    images = MemoryImages()
    manifest = images.add(build_image([_layer(count)], config={"User": "1000"}))
    subject = Subject(
        registry=Host("registry.example.com"), repository=RepositoryName("bench/files"), digest=manifest.digest, tags=()
    )
    longest = 0.0

    async def look() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            longest = max(longest, time.monotonic() - before - TICK_SECONDS)

    begun = time.monotonic()
    looking = asyncio.create_task(look(), name="look")
    judged = await judging.judge(Task(id=str(count), subject=subject, tag=None, now=utc_now()), images, manifest)
    await verdicts.record(judged, nobody)
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    return longest, time.monotonic() - begun


def _layer(count: int) -> Layer:
    """Empty files, some hundred a directory."""
    hasher, packing = sha256(), zlib.compressobj(level=1, wbits=31)
    packed: list[bytes] = []
    for part in _headers(count):
        hasher.update(part)
        packed.append(packing.compress(part))
    return Layer(raw=b"".join((*packed, packing.flush())), diff_id=Digest(f"sha256:{hasher.hexdigest()}"))


def _headers(count: int) -> Iterator[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(count):
            archive.addfile(tarfile.TarInfo(f"app/node_modules/m{number // 300}/lib/{number}.js"))
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
            if out.tell() >= 1024 * 1024:
                yield out.getvalue()
                out.seek(0)
                out.truncate()
    yield out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
