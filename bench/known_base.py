"""A second push on a base that is known, against the first: `python bench/known_base.py [--image HOST/REPOSITORY:TAG]…`.

The image is judged by a daemon that has never seen it, then the same with another small layer on top, as build pipelines push it.
What is compared is the processor time of the daemon and of all that it starts, from the question to the verdict on disk; the
registry, which answers plain HTTP and takes the second image under the tag `known-base`, is not counted. Without `--image` it is a
docker-registry with the image of bench/inspection.py. Budget: a tenth.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import Request, urlopen

from bench.inspection import own_image
from bench.results import Result, told
from tests.doubles.children import children
from tests.doubles.daemon import RunningDaemon
from tests.doubles.docker_registry import start_docker_registry
from tests.doubles.pushing import MANIFESTS
from watcher.model.digest import digest_of
from watcher.model.reference import Reference, parse_reference
from watcher.testing.images import build_layer
from watcher.testing.ports import free_port

BUDGET = 0.1
TAG = "known-base"
WAIT_SECONDS = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", action="append")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with nullcontext(arguments.image) if arguments.image else _own_image_to_push_on() as images:
        return told(*(_compare(parse_reference(image), arguments.rounds) for image in images))


@contextmanager
def _own_image_to_push_on() -> Iterator[list[str]]:
    with own_image() as (image,), tempfile.TemporaryDirectory() as folder:
        registry = start_docker_registry(Path(folder))
        try:
            there = f"{registry.host}/{image.partition('/')[2]}"
            copy = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
            subprocess.run([*copy, f"docker://{image}", f"docker://{there}"], check=True)
            yield [there]
        finally:
            registry.stop()


def _compare(image: Reference, rounds: int) -> Result:
    firsts, seconds = [], []
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
        firsts.append(first)
        seconds.append(second)
        print(f"round {number}  first {first:6.2f} s  second {second:6.3f} s")
    return Result.of_rounds(
        seconds,
        firsts,
        what=f"second push on a known base, {image.repository}, processor",
        unit="s",
        against="the first push",
        most=BUDGET,
        of_ratio=True,
    )


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
    sys.exit(main())
