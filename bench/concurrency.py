"""Many pushes at once, and small ones beside a large one: `python bench/concurrency.py [--burst 200] [--mib 870]`.

`watcher run` and a registry beside it. First a burst of small images, all announced at once: p50 and p99 from the announcement to
the verdict. Then 20 small ones alone, and 20 small ones while an image of 8 layers is being read: how many times as long the
second takes. In the same run, so that the machine's own speed is in both.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from bench.results import Result, told
from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, Layer, build_image, build_layer

RATIO_BUDGET = 3.0
SMALL = 20
LAYERS = 8
MIB = 1024 * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--burst", type=int, default=200)
    parser.add_argument("--mib", type=int, default=870)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        registry = ServedRegistry()
        config = (
            f'registries: [{{host: "{registry.host}"}}]\n'
            "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        )
        daemon = RunningDaemon(directory=Path(folder), config=config)
        daemon.start()
        try:
            _pushed(daemon, registry, "warm", SMALL)
            burst = sorted(_pushed(daemon, registry, "burst", asked.burst))
            alone = max(_pushed(daemon, registry, "alone", SMALL))
            large = _large(asked.mib * MIB // LAYERS)
            registry.put("bench/large", large)
            begun = time.monotonic()
            deliver(daemon, envelope(push_event(registry.host, "bench/large", large)))
            eventually(lambda: registry.saw("GET", "/v2/bench/large/blobs/"), what="the large image")
            time.sleep(0.2)  # until its layers are being read
            beside = max(_pushed(daemon, registry, "beside", SMALL))
            eventually(lambda: _judged(daemon, "bench/large"), seconds=300, what="the verdict on the large image")
            whole = time.monotonic() - begun
        finally:
            daemon.stop()
            registry.close()
    p99 = burst[min(len(burst) - 1, int(len(burst) * 0.99))]
    print(f"the large image took {whole:.1f} s")
    return told(
        Result(what=f"{asked.burst} small images at once, p50 of the verdicts", unit="s", ours=statistics.median(burst)),
        Result(what=f"{asked.burst} small images at once, p99 of the verdicts", unit="s", ours=p99),
        Result(
            what=f"{SMALL} small images beside one of {asked.mib} MiB",
            unit="s",
            ours=beside,
            against="alone",
            other=alone,
            most=RATIO_BUDGET,
            of_ratio=True,
        ),
    )


def _pushed(daemon: RunningDaemon, registry: ServedRegistry, name: str, count: int) -> list[float]:
    """The seconds from the announcement of `count` images, all in one delivery, to the verdict on each."""
    images = {f"bench/{name}-{number}": _small(f"{name}-{number}") for number in range(count)}
    for repository, image in images.items():
        registry.put(repository, image)
    begun = time.time()
    deliver(daemon, envelope(*(push_event(registry.host, repository, image) for repository, image in images.items())))
    like = f"bench/{name}-%"
    query = "SELECT settled_at FROM job WHERE repository LIKE ? AND state = 'done'"

    def done() -> list[dict[str, Any]]:
        found = rows(daemon, query, like)
        return found if len(found) == count else []

    settled = eventually(done, seconds=300, what=f"{count} verdicts")
    return [row["settled_at"] - begun for row in settled]


def _small(text: str) -> BuiltImage:
    return build_image([build_layer({f"app/{number}": text * 20 for number in range(20)})], config={"User": "1000"})


def _large(layer_bytes: int) -> BuiltImage:
    """Layers that are no smaller compressed, made fast."""
    return build_image([_stored(build_layer({"blob": os.urandom(layer_bytes)}, compression="none")) for _ in range(LAYERS)])


def _stored(layer: Layer) -> Layer:
    packing = zlib.compressobj(level=0, wbits=31)
    return Layer(raw=packing.compress(layer.raw) + packing.flush(), diff_id=layer.diff_id)


def _judged(daemon: RunningDaemon, repository: str) -> bool:
    return bool(rows(daemon, "SELECT 1 FROM job WHERE repository = ? AND state = 'done'", repository))


if __name__ == "__main__":
    sys.exit(main())
