"""A second push on a base that is known, against the first: `python bench/known_base.py --image HOST/REPOSITORY:TAG [--image …]`.

The image is judged by a daemon that has never seen it, then the same with another small layer on top, as build pipelines push it.
What is compared is the processor time of the daemon and of all that it starts, from the question to the verdict on disk; the
registry, which answers plain HTTP and takes the second image under the tag `known-base`, is not counted. Budget: a tenth.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import Request, urlopen

from tests.doubles.children import children
from tests.doubles.daemon import RunningDaemon
from tests.doubles.pushing import MANIFESTS
from watcher.model.digest import digest_of
from watcher.model.reference import Reference, parse_reference
from watcher.testing.images import build_layer
from watcher.testing.ports import free_port

BUDGET = 0.1
TAG = "known-base"
WAIT_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    kept = [_compare(parse_reference(image), arguments.rounds) for image in arguments.image]
    sys.exit(0 if all(kept) else 1)


def _compare(image: Reference, rounds: int) -> bool:
    ratios = []
    for number in range(1, rounds + 1):
        _push_on_top(image, f"{os.getpid()}-{number}")
        with tempfile.TemporaryDirectory() as folder:
            daemon = RunningDaemon(
                directory=Path(folder), config=f'registries: [{{host: "{image.registry}", scheme: http}}]\n', port=free_port()
            )
            daemon.start()
            try:
                first = _judged(daemon, f"{image.registry}/{image.repository}:{image.tag}")
                second = _judged(daemon, f"{image.registry}/{image.repository}:{TAG}")
            finally:
                daemon.stop()
        ratios.append(second / first)
        print(f"round {number}  first {first:6.2f} s  second {second:6.3f} s")
    ratio = statistics.median(ratios)
    print(f"{image}: the second push takes 1/{1 / ratio:.0f} of the first's processor time (budget 1/{1 / BUDGET:.0f})")
    return ratio <= BUDGET


def _judged(daemon: RunningDaemon, image: str) -> float:
    """The processor time until there is a verdict."""
    before = _processor_seconds(daemon)
    body = json.dumps({"image": image, "wait_seconds": WAIT_SECONDS}).encode()
    status, _ = daemon.post("/api/v1/evaluations", body, {"Content-Type": "application/json"})
    assert status == 200, status
    return _processor_seconds(daemon) - before


def _processor_seconds(daemon: RunningDaemon) -> float:
    """Of the daemon, its children, and those of theirs that have ended."""
    assert daemon.process is not None
    pids = [daemon.process.pid, *(each.pid for each in children(daemon.process.pid))]
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += sum(int(fields[index]) for index in range(11, 15))
    return ticks / os.sysconf("SC_CLK_TCK")


def _push_on_top(image: Reference, name: str) -> None:
    """The image with one more layer, with a file of this name."""
    repository = f"http://{image.registry}/v2/{image.repository}"
    manifest = json.loads(_request("GET", f"{repository}/manifests/{image.tag}", headers={"Accept": MANIFESTS})[0])
    config = json.loads(_request("GET", f"{repository}/blobs/{manifest['config']['digest']}")[0])
    layer = build_layer({f"opt/{name}": name})
    config["rootfs"]["diff_ids"].append(layer.diff_id)
    config.setdefault("history", []).append({"created_by": "COPY . /opt"})
    manifest["layers"].append({**manifest["layers"][-1], **_put(repository, layer.raw)})
    manifest["config"].update(_put(repository, json.dumps(config).encode()))
    media_type = manifest["mediaType"]
    _request("PUT", f"{repository}/manifests/{TAG}", json.dumps(manifest).encode(), {"Content-Type": media_type})


def _put(repository: str, raw: bytes) -> dict[str, Any]:
    digest = digest_of(raw)
    _, headers = _request("POST", f"{repository}/blobs/uploads/", b"")
    where = urljoin(repository, headers["Location"])
    _request("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", raw, {"Content-Type": "application/octet-stream"})
    return {"digest": digest, "size": len(raw)}


def _request(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[bytes, Any]:
    with urlopen(Request(url, data=body, method=method, headers=headers or {}), timeout=WAIT_SECONDS) as response:
        return response.read(), response.headers


if __name__ == "__main__":
    main()
