"""From a push to its verdict, published: `python bench/push_to_verdict.py [--pushes 40]`.

A real docker-registry, `watcher run`, and images whose layers are known. The clock starts when the registry has the manifest and
stops when the referrer is in its fallback index. Beside it, in the same run: the bare round trips that publishing takes, so that
the machine's own speed is seen.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.results import Result, told
from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.docker_registry import RunningRegistry, start_docker_registry
from tests.doubles.hooks import told_at
from tests.doubles.pushing import attached_verdict, get_manifest, skopeo_push, write_layout
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.ports import free_port

P50_BUDGET_SECONDS, P99_BUDGET_SECONDS = 1.0, 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pushes", type=int, default=40)
    pushes = parser.parse_args().pushes
    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder), free_port()
        registry = start_docker_registry(
            path / "registry",
            **told_at(port),
        )
        config = (
            f'registries: [{{host: "{registry.host}"}}]\n'
            "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
            "publish: [{type: referrer}]\n"
        )
        daemon = RunningDaemon(directory=path, config=config, port=port)
        daemon.start()
        try:
            seconds = _measure(registry, path, pushes)
            trips = [_timed(lambda: get_manifest(registry.url, "bench/app", "v0")) for _ in range(100)]
        finally:
            daemon.stop()
            registry.stop()
    ordered = sorted(seconds)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    trip = statistics.median(trips)
    what, against = "push to verdict published, known layers", "a GET of a manifest"
    return told(
        Result(what=f"{what}, p50", unit="s", ours=p50, against=against, other=trip, most=P50_BUDGET_SECONDS),
        Result(what=f"{what}, p99", unit="s", ours=p99, against=against, other=trip, most=P99_BUDGET_SECONDS),
    )


def _measure(registry: RunningRegistry, path: Path, pushes: int) -> list[float]:
    base = build_layer({f"usr/share/doc/{number}": "text\n" * 50 for number in range(2000)})
    seconds: list[float] = []
    for number in range(-1, pushes):
        image = build_image([base], config={"User": "1000", "Labels": {"build": str(number)}})
        layout = write_layout(path / f"layout{number}", image)
        skopeo_push(layout, f"{registry.host}/bench/app:v{max(number, 0)}")
        begun = time.monotonic()
        _published(registry, image)
        if number >= 0:  # the first one reads the layer
            seconds.append(time.monotonic() - begun)
    return seconds


def _published(registry: RunningRegistry, image: BuiltImage) -> None:
    eventually(lambda: attached_verdict(registry.url, "bench/app", image.digest), what="the verdict")


def _timed(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
