"""Real servers: others attach to an image while we do, in the way that `oras attach` does, and no entry is lost."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.doubles.attaching import attached
from tests.doubles.daemon import RunningDaemon
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.hooks import rows, told_at
from tests.doubles.pushing import get_manifest, skopeo_push, write_layout
from watcher.model.digest import Digest, digest_of
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.model.referrers_tag import fallback_tag
from watcher.model.verdict_json import VERDICT_TYPE
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.ports import free_port

IMAGE = build_image([build_layer({"etc/os-release": "ID=debian\n"})])
OTHERS = 10
OPEN_JOBS = "SELECT id FROM job WHERE state IN ('waiting', 'leased')"
OPEN_PUBLICATIONS = "SELECT id FROM publication WHERE state IN ('waiting', 'leased')"
OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Client:
    """Attaches as oras 1.2 does where there is no Referrers API: read the list, write it, delete the one that was read."""

    url: str

    def attach(self, artefact: BuiltImage) -> None:
        for digest, content in artefact.blobs.items():
            _, headers, _ = self._asked("POST", "/v2/team/app/blobs/uploads/")
            self._asked("PUT", f"{headers['Location']}&digest={digest}", content)
        self._asked("PUT", f"/v2/team/app/manifests/{artefact.digest}", artefact.raw, OCI_MANIFEST)
        path = f"/v2/team/app/manifests/{fallback_tag(IMAGE.digest)}"
        status, _, before = self._asked("GET", path)
        listed = json.loads(before)["manifests"] if status == 200 else []
        said = json.loads(artefact.raw)
        entry = {
            "mediaType": OCI_MANIFEST,
            "digest": artefact.digest,
            "size": len(artefact.raw),
            "artifactType": said["artifactType"],
        }
        after = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*listed, entry]}
        self._asked("PUT", path, json.dumps(after).encode(), OCI_INDEX)
        if status == 200:
            self._asked("DELETE", f"/v2/team/app/manifests/{digest_of(before)}")

    def _asked(
        self, method: str, path: str, body: bytes | None = None, media_type: str = OCTETS
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. This registry answers 500 while somebody else writes the same tag: asked again then."""
        url = path if path.startswith("http") else self.url + path
        request = Request(url, data=body, method=method, headers={"Content-Type": media_type, "Accept": OCI_INDEX})
        for _ in range(50):
            try:
                with urlopen(request, timeout=30) as answer:
                    return answer.status, answer.headers, answer.read()
            except HTTPError as error:
                if error.code == 404:
                    return 404, {}, b""
                if error.code != 500:
                    raise
        raise AssertionError(f"{method} {path} is answered 500 for ever")


@dataclass(frozen=True)
class World:
    registry: RunningRegistry
    daemon: RunningDaemon

    def types(self, digest: Digest = IMAGE.digest) -> list[str]:
        """Of what is listed for an image."""
        listed = get_manifest(self.registry.url, "team/app", fallback_tag(digest)) or {"manifests": []}
        return sorted(each["artifactType"] for each in listed["manifests"])

    def tags(self) -> list[str]:
        with urlopen(f"{self.registry.url}/v2/team/app/tags/list", timeout=10) as answer:
            return sorted(json.load(answer)["tags"])

    def is_idle(self) -> bool:
        return not any(rows(self.daemon, open_ones) for open_ones in (OPEN_JOBS, OPEN_PUBLICATIONS))


@pytest.fixture
def world(start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path) -> Iterator[World]:
    port = free_port()
    registry = start_docker_registry(
        tmp_path / "registry",
        **told_at(port),
    )
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "publish: [{type: referrer}]\n"
    )
    daemon = RunningDaemon(directory=tmp_path, config=config, port=port)
    daemon.start()
    skopeo_push(write_layout(tmp_path / "layout", IMAGE), f"{registry.host}/team/app:v1")
    yield World(registry, daemon)
    assert daemon.stop() == 0


@pytest.mark.parametrize("at_once", [1, OTHERS], ids=["in turns", "at once"])
def test_nobody_s_entry_is_lost(world: World, at_once: int) -> None:
    """Ours neither, and no list of a list is left over. What they lose by each other is made up for as well."""
    others = [attached(IMAGE, f"application/x.other-{number}", b"%d" % number) for number in range(OTHERS)]
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(Client(world.registry.url).attach, others))
    wanted = sorted([VERDICT_TYPE, *(f"application/x.other-{number}" for number in range(OTHERS))])
    world.daemon.eventually(lambda: world.types() == wanted, what="every entry")
    world.daemon.eventually(world.is_idle, what="an end of all work")
    assert world.types() == wanted
    assert world.tags() == [fallback_tag(IMAGE.digest), "v1"]
