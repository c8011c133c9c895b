"""A whole inspection against downloading, unpacking and hashing alone: the same image, over HTTP, in turns, in one run.

    python bench/inspection.py [--rounds 3] [--image HOST/REPOSITORY:TAG] [--file-digests none|executables|all]
    python bench/inspection.py --peer --image HOST/REPOSITORY:TAG [--image …]    against syft: bench/peer.py

Without `--image` it is one of this machine's own files, at least 500 MB unpacked in gzip layers, built once and kept in .cache/,
and served by a process of its own. Each side is a process of its own as well, whose processor time and that of its children is
counted from the moment it is ready; the registry's is not. The budgets are those of docs/adr/0006-what-an-inspection-costs.md.
"""

import argparse
import asyncio
import gzip
import hashlib
import http.client
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from isal import igzip_lib

from bench.peer import compare_with_syft
from bench.results import Result, told
from watcher.inspection.file_digests import FileDigests
from watcher.inspection.inspector import Inspector
from watcher.inspection.settings import InspectionSettings
from watcher.kit.telemetry import configure_logging
from watcher.model.digest import Digest, digest_of
from watcher.model.image import DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST, Manifest
from watcher.model.image_json import parse_manifest
from watcher.model.inventory import LayerFacts
from watcher.model.reference import Reference, Tag, parse_reference
from watcher.registry.client import RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.registry.settings import RegistrySettings

CACHE = Path(__file__).parents[1] / ".cache" / "bench-image"
# By a part of the image's name: an image of a hundred thousand small files is walked more than it is unpacked.
CPU_BUDGETS = {"kitchen-sink": 2.0, "app/python": 2.1, "app/node": 2.6}
CPU_BUDGET, MEMORY_BUDGET_MIB = 2.2, 128
ROOTS = ("etc", "var/lib/dpkg", "usr/share", "usr/lib", "usr/bin")
LAYER_BYTES, IMAGE_BYTES = 250_000_000, 500_000_000
READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One side, once. Seconds; `peak_mib` is that of its largest child, 0 without children."""

    cpu: float
    wall: float
    plain_mb: float
    peak_mib: float = 0.0
    found: str = ""


class NoCache:
    """`LayerCache` that keeps nothing: every round reads everything."""

    async def layer(self, digest: Digest) -> LayerFacts | None:  # noqa: ARG002  a Protocol's names
        return None

    async def keep_layer(self, facts: LayerFacts) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", action="append", help="an image on a registry that answers plain HTTP without credentials")
    parser.add_argument("--peer", action="store_true", help="compare with syft: what both find, and what it takes them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--file-digests", default=InspectionSettings().file_digests, help="as inspection.file_digests")
    parser.add_argument("--side", choices=("bound", "inspection"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        image = parse_reference(arguments.image[0])
        run = bound(image) if arguments.side == "bound" else asyncio.run(inspection(image, arguments.file_digests))
        print(json.dumps(asdict(run)))
        return 0
    with nullcontext(arguments.image) if arguments.image else own_image() as images:
        if arguments.peer:
            return told(*compare_with_syft(images, arguments.rounds))
        return told(*(result for image in images for result in compare(image, arguments.rounds, arguments.file_digests)))


def compare(image: str, rounds: int, file_digests: FileDigests) -> tuple[Result, ...]:
    """Print both sides; held against the budgets of the image's class."""
    budget = next((budget for name, budget in CPU_BUDGETS.items() if name in image), CPU_BUDGET)
    sides = {"bound": [], "inspection": []}  # type: dict[str, list[Run]]
    for number in range(1, rounds + 1):
        for side, runs in sides.items():
            command = [sys.executable, __file__, "--image", image, "--side", side, "--file-digests", file_digests]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CACHE.parents[1])}
            )
            run = Run(**json.loads(done.stdout))
            runs.append(run)
            print(f"round {number}  {side:10}  cpu {run.cpu:6.2f} s  wall {run.wall:6.2f} s  {run.plain_mb:6.0f} MB  {run.found}")
    peak = max(run.peak_mib for run in sides["inspection"])
    cpu, wall = (
        [[getattr(run, measured) for run in sides[side]] for side in ("inspection", "bound")] for measured in ("cpu", "wall")
    )
    what, against = f"inspection of {image.rpartition('/')[2]}", "download, unpack, hash"
    return (
        Result.of_rounds(*cpu, what=f"{what}, processor", unit="s", against=against, most=budget, of_ratio=True),
        Result.of_rounds(*wall, what=f"{what}, wall", unit="s", against=against),
        Result(what=f"{what}, largest worker", unit="MiB", ours=peak, most=MEMORY_BUDGET_MIB),
    )


def bound(image: Reference) -> Run:
    """Download every layer, unpack it with igzip, and hash what was downloaded."""
    manifest = parse_manifest(_get(image, f"manifests/{image.tag or image.digest}"), OCI_MANIFEST)
    assert isinstance(manifest, Manifest)
    started, plain = time.perf_counter(), 0
    before = _cpu()
    for layer in manifest.layers:
        connection = http.client.HTTPConnection(image.registry)
        connection.request("GET", f"/v2/{image.repository}/blobs/{layer.digest}")
        response = connection.getresponse()
        digest, member = hashlib.sha256(), igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
        buffer = memoryview(bytearray(READ_BYTES))
        while count := response.readinto(buffer):
            digest.update(buffer[:count])
            plain += len(member.decompress(buffer[:count], 1024 * 1024))
            while not member.needs_input and not member.eof:
                plain += len(member.decompress(b"", 1024 * 1024))
        assert f"sha256:{digest.hexdigest()}" == layer.digest, response.status
        connection.close()
    return Run(cpu=_cpu() - before, wall=time.perf_counter() - started, plain_mb=plain / 1e6)


async def inspection(image: Reference, file_digests: FileDigests) -> Run:
    """What the daemon does with an image nobody has seen."""
    configure_logging(level="warning")
    async with (
        RegistryClient(RegistrySettings(host=image.registry, scheme="http")) as client,
        Inspector(InspectionSettings(workers=1, file_digests=file_digests), cache=NoCache(), salt=b"bench") as inspector,
    ):
        source = RegistryImages(client, image.repository)
        manifest = await source.manifest(image.digest or image.tag or Tag("latest"))
        before = _cpu() + _children_now()
        started = time.perf_counter()
        found = await inspector.inspect(source, manifest)
        wall = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    states = {section.state.value for name, section in found.sections.items() if name in ("packages", "files", "secrets")}
    assert states == {"complete"}, states
    return Run(
        cpu=_cpu() + usage.ru_utime + usage.ru_stime - before,
        wall=wall,
        plain_mb=sum(layer.plain_bytes for layer in found.layers) / 1e6,
        peak_mib=usage.ru_maxrss / 1024,
        found=f"{len(found.files)} files, {len(found.packages)} packages, {len(found.secrets)} secrets",
    )


def build() -> None:
    """An image of this machine's files, unless it was built before."""
    if (CACHE / "manifest.json").exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    layers, diff_ids, total = [], [], 0
    for root in ROOTS:
        if total > IMAGE_BYTES:
            break
        size, raw = _layer(root)
        total += size
        layers.append(_put(raw, "application/vnd.oci.image.layer.v1.tar+gzip"))
        diff_ids.append(digest_of(gzip.decompress(raw)))
        print(f"built {root}: {size / 1e6:.0f} MB, {len(raw) / 1e6:.0f} MB compressed", file=sys.stderr)
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _put(json.dumps(config).encode(), OCI_CONFIG),
        "layers": layers,
    }
    (CACHE / "manifest.json").write_text(json.dumps(manifest))


def _layer(root: str) -> tuple[int, bytes]:
    buffer, size = io.BytesIO(), 0
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for directory, _, names in os.walk(Path("/") / root):
            for name in sorted(names):
                path = Path(directory) / name
                if size < LAYER_BYTES and path.is_file() and not path.is_symlink():
                    archive.add(path, arcname=str(path).lstrip("/"), recursive=False)
                    size += path.stat().st_size
    return size, buffer.getvalue()


def _put(raw: bytes, media_type: str) -> dict[str, object]:
    digest = digest_of(raw)
    (CACHE / digest.replace(":", "-")).write_bytes(raw)
    return {"mediaType": media_type, "digest": digest, "size": len(raw)}


@contextmanager
def own_image() -> Iterator[list[str]]:
    """The image of this machine's files, behind as much of the distribution specification as pulling needs, in another process."""
    build()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    pid = os.fork()
    if pid == 0:
        server.serve_forever()
    server.server_close()
    try:
        yield [f"127.0.0.1:{server.server_port}/this-machine:1"]
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2].replace(":", "-")
        path = CACHE / ("manifest.json" if self.path.endswith("/manifests/1") else name)
        if not path.is_file():  # as the list of what is attached to the image
            self.send_response(200 if self.path == "/v2/" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        if "/manifests/" in self.path:
            self.send_header("Content-Type", OCI_MANIFEST)
        self.end_headers()
        self.wfile.flush()
        with path.open("rb") as file:
            self.connection.sendfile(file)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
        pass


def _get(image: Reference, what: str) -> bytes:
    connection = http.client.HTTPConnection(image.registry)
    connection.request("GET", f"/v2/{image.repository}/{what}", headers={"Accept": f"{OCI_MANIFEST}, {DOCKER_MANIFEST}"})
    body = connection.getresponse().read()
    connection.close()
    return body


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _children_now() -> float:
    """What the children that still run have taken so far, and theirs that have ended."""
    seconds = 0.0
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += sum(int(fields[index]) for index in range(11, 15)) / os.sysconf("SC_CLK_TCK")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
