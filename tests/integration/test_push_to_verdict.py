"""The main job on real servers: skopeo pushes, docker-registry notifies, the verdict is attached and a message sent."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.doubles.attaching import attached
from tests.doubles.daemon import HOOK_SECRET, Receiver, RunningDaemon, eventually
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.hooks import rows as stored
from tests.doubles.hooks import told_at
from tests.doubles.pushing import attached_sbom, attached_verdict, get_manifest, put_referrer, skopeo_push, write_layout
from watcher.model.digest import Digest
from watcher.model.verdict import INSPECTED
from watcher.testing.images import BuiltImage, Entry, Layer, build_image, build_index, build_layer
from watcher.testing.ports import free_port

DEBIAN = 'ID=debian\nVERSION_ID="12"\nNAME="Debian GNU/Linux"\n'
PASSWD = "root:x:0:0:root:/root:/bin/bash\napp:x:1000:1000::/home/app:/bin/sh\n"
EVENTS = "/api/v1/events?limit=500"
OPEN_JOBS = "SELECT id FROM job WHERE state IN ('waiting', 'leased')"
OPEN_PUBLICATIONS = "SELECT id FROM publication WHERE state IN ('waiting', 'leased')"
STATUS = "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2.13\n\n"


class World:
    """A registry, a daemon that hears of it, and a receiver of messages."""

    def __init__(self, registry: RunningRegistry, daemon: RunningDaemon, receiver: Receiver, tmp_path: Path) -> None:
        self.registry, self.daemon, self.receiver, self.tmp_path = registry, daemon, receiver, tmp_path

    def push(self, image: BuiltImage, repository: str, tag: str = "v1") -> None:
        layout = write_layout(self.tmp_path / f"layout-{image.digest[7:19]}", image)
        skopeo_push(layout, f"{self.registry.host}/{repository}:{tag}")

    def verdict(self, repository: str, digest: Digest) -> tuple[Any, Any, Any]:
        return self.daemon.eventually(lambda: attached_verdict(self.registry.url, repository, digest), what="a verdict")


@pytest.fixture
def world(start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path) -> Iterator[World]:
    port = free_port()
    registry = start_docker_registry(
        tmp_path / "registry",
        **told_at(port),
    )
    receiver = Receiver()
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "publish: [{type: referrer, sbom: cyclonedx}, {type: log}, "
        f"{{type: webhook, url: '{receiver.url}', secret: 'env:OUT_SECRET'}}]\n"
        f"environments: [{{name: production, images: ['{registry.host}/prod/**']}}]\n"
    )
    daemon = RunningDaemon(directory=tmp_path, config=config, port=port, environment={"OUT_SECRET": "out"})
    daemon.start()
    yield World(registry, daemon, receiver, tmp_path)
    assert daemon.stop() == 0
    receiver.close()


def base_layer() -> Layer:
    return build_layer({"etc/os-release": DEBIAN, "etc/passwd": PASSWD, "var/lib/dpkg/status": STATUS})


def leaking_image() -> BuiltImage:
    key = "AKIA" + "Q3EGRIMZ7KLDOP5X"
    credentials = build_layer({"root/.aws/credentials": f"[default]\naws_access_key_id = {key}\n"})
    removed = build_layer({"root/.aws/.wh.credentials": Entry()})
    steps = [{"created_by": "base"}, {"created_by": "COPY . /"}, {"created_by": "RUN rm /root/.aws/credentials"}]
    return build_image([base_layer(), credentials, removed], config={"User": "app"}, history=steps)


def test_a_push_gets_its_verdict_in_the_registry_and_as_a_message(world: World) -> None:
    """The referrer is found under the fallback tag, says what the message says, and names where the key is."""
    image = leaking_image()
    world.push(image, "team/app")
    entry, manifest, verdict = world.verdict("team/app", image.digest)
    assert verdict["outcome"] == "fail"
    (finding,) = [each for each in verdict["findings"] if each["rule"] == "baseline/aws-keys"]
    assert finding["evidence"]["path"] == "/root/.aws/credentials"
    assert finding["evidence"]["created_by"] == "COPY . /"
    assert finding["evidence"]["layer_index"] == 1
    assert verdict["image"] == {
        "registry": world.registry.host,
        "repository": "team/app",
        "tag": "v1",
        "digest": image.digest,
        "platform": "linux/amd64",
        "media_type": image.media_type,
        "index": None,
    }
    assert verdict["sections"]["vulnerabilities"]["state"] == "not-configured"
    assert manifest["subject"]["digest"] == image.digest
    assert manifest["artifactType"] == "application/vnd.registry-watcher.verdict.v1+json" == entry["artifactType"]
    assert manifest["annotations"] == entry["annotations"]
    assert entry["annotations"]["io.registry-watcher.outcome"] == "fail"
    assert entry["annotations"]["io.registry-watcher.findings-fail"] == "1"
    ((headers, body),) = eventually(lambda: world.receiver.requests, what="the message")
    event = json.loads(body)
    assert event["data"] == verdict
    assert event["subject"] == f"{world.registry.host}/team/app@{image.digest}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(b"out", signed, hashlib.sha256).digest()).decode()
    sbom = world.daemon.eventually(lambda: attached_sbom(world.registry.url, "team/app", image.digest), what="an SBOM")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom.decode()) is None
    document = json.loads(sbom)
    assert document["metadata"]["component"]["version"] == image.digest
    assert [(each["name"], each["version"]) for each in document["components"]] == [("debian", "12"), ("zlib1g", "1:1.2.13")]
    everything = world.daemon.log.read_bytes() + (world.tmp_path / "watcher.db").read_bytes() + body + sbom
    assert b"GRIMZ7KLDOP5X" not in everything


def test_a_scan_says_of_every_section_what_the_daemon_says(world: World) -> None:
    """What was looked at, and in the same words what was not; the stored inspection keeps to what inspection looks at."""
    image = leaking_image()
    world.push(image, "team/app")
    *_, verdict = world.verdict("team/app", image.digest)
    command = [sys.executable, "-m", "watcher", "scan", "-o", "json", "-c", str(world.tmp_path / "watcher.yaml")]
    scanned = subprocess.run(
        [*command, f"{world.registry.host}/team/app:v1"],
        env={**os.environ, "HOOK_SECRET": HOOK_SECRET, "OUT_SECRET": "out"},
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    line = json.loads(scanned.stdout)
    assert line["verdict"]["sections"] == verdict["sections"]
    stored = world.daemon.get(f"/api/v1/images/{image.digest}/inspection")
    assert stored["sections"] == line["inspection"]["sections"]
    assert tuple(stored["sections"]) == INSPECTED


def test_an_image_with_two_readings_is_unknown_to_the_daemon_and_to_a_scan(world: World) -> None:
    """docker-registry and skopeo take `Layers` for `layers`; the message names the key, and nothing is tried again."""
    image = leaking_image()
    body = json.loads(image.raw)
    ambiguous = replace(image, raw=json.dumps({**body, "Layers": body["layers"][:1]}).encode())
    world.push(ambiguous, "team/app")
    *_, verdict = world.verdict("team/app", ambiguous.digest)
    assert verdict["outcome"] == "unknown"
    assert verdict["reason"].startswith("ambiguous-manifest: manifest has the key 'Layers'")
    command = [sys.executable, "-m", "watcher", "scan", "-o", "json", "-c", str(world.tmp_path / "watcher.yaml")]
    scanned = subprocess.run(
        [*command, f"{world.registry.host}/team/app:v1"],
        env={**os.environ, "HOOK_SECRET": HOOK_SECRET, "OUT_SECRET": "out"},
        capture_output=True,
        check=False,
    )
    assert scanned.returncode == 3
    found = json.loads(scanned.stdout)["verdict"]
    assert (found["outcome"], found["reason"], found["sections"]) == (verdict["outcome"], verdict["reason"], verdict["sections"])
    assert found["image"]["digest"] == ambiguous.digest


def test_a_retag_in_production_is_judged_as_such_and_reads_no_layer_again(world: World) -> None:
    """Another repository is another subject; what is known of the layers is not read twice."""
    image = build_image([base_layer()], config={"User": "app"})
    world.push(image, "team/app")
    world.verdict("team/app", image.digest)
    world.push(image, "prod/app")
    *_, verdict = world.verdict("prod/app", image.digest)
    assert verdict["subject"]["environment"] == "production"
    lines = [line for line in world.daemon.lines() if line["event"] == "verdict.recorded"]
    assert [line["layers_read"] for line in lines] == [1, 0]


def test_an_index_has_a_verdict_for_each_platform_and_its_own(world: World) -> None:
    """The worst platform decides, and an attestation beside the platforms changes nothing."""
    good = build_image([base_layer()], config={"User": "app"})
    bad = build_image([base_layer()], config={"User": "root"}, platform="linux/arm64")
    index = build_index([good, bad])
    world.push(index, "team/multi")
    *_, verdict = world.verdict("team/multi", index.digest)
    assert verdict["outcome"] == "warn"
    assert world.verdict("team/multi", good.digest)[2]["outcome"] == "pass"
    assert world.verdict("team/multi", bad.digest)[2]["image"]["index"] == index.digest
    jobs = [line for line in world.daemon.lines() if line["event"] == "verdict.recorded"]
    assert len(jobs) == 1


def test_a_deleted_image_loses_its_tags_and_keeps_its_verdict(world: World) -> None:
    """docker-registry says that the digest and each of its tags is gone; the registry is asked before that is believed."""
    image = build_image([base_layer()], config={"User": "app"})
    world.push(image, "team/app")
    world.verdict("team/app", image.digest)

    def row() -> tuple[list[str], str]:
        return next((each["tags"], each["outcome"]) for each in world.daemon.get("/api/v1/images")["images"])

    assert row() == (["v1"], "pass")
    request = Request(f"{world.registry.url}/v2/team/app/manifests/{image.digest}", method="DELETE")
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 202
    world.daemon.eventually(lambda: row() == ([], "pass"), what="the tag to leave")


def test_an_sbom_that_is_attached_afterwards_is_held_against_the_image(world: World) -> None:
    """Of another tool, under the fallback tag: the image is inspected again, ours beside it does not count, and both stay."""
    image = build_image([base_layer(), build_layer({"srv/node_modules/a/package.json": '{"name": "a", "version": "1.0.0"}'})])
    world.push(image, "team/app")
    world.verdict("team/app", image.digest)
    ours = world.daemon.eventually(lambda: attached_sbom(world.registry.url, "team/app", image.digest), what="our SBOM")

    def known() -> Any:
        return world.daemon.get(f"/api/v1/images/{image.digest}/inspection")["sbom"]

    assert known() == {"documents": [], "missing": [], "extra": []}
    folder = write_layout(world.tmp_path / "scanned", image)
    command = [str(Path(sys.executable).with_name("syft")), "scan", f"oci-dir:{folder}", "-q", "-o", "cyclonedx-json"]
    environment = {"HOME": str(world.tmp_path), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    theirs = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)
    theirs["components"] = [each for each in theirs["components"] if each["name"] != "a"] + [{"purl": "pkg:npm/b@2"}]
    sbom = attached(image, "application/vnd.cyclonedx+json", json.dumps(theirs).encode())
    world.push(sbom, "team/app", "their-sbom")
    put_referrer(world.registry.url, "team/app", image.digest, sbom)
    found = world.daemon.eventually(lambda: known() if known()["documents"] else None, what="their SBOM")
    (document,) = found["documents"]
    assert (document["source"], document["digest"]) == ("referrer", sbom.digest)
    assert (document["format"].partition(" ")[0], document["tool"].partition(" ")[0]) == ("CycloneDX", "syft")
    assert found["missing"] == ["pkg:npm/a@1.0.0"]
    assert [each["purl"] for each in found["extra"]] == ["pkg:npm/b@2"]

    def both() -> Any:
        index = get_manifest(world.registry.url, "team/app", image.digest.replace(":", "-"))
        entries = [each for each in index["manifests"] if each["artifactType"] == "application/vnd.cyclonedx+json"] if index else []
        return len(entries) == 2 and sbom.digest in {each["digest"] for each in entries}

    world.daemon.eventually(both, what="both SBOMs")
    assert ours


def test_our_own_writes_and_pulls_start_no_work(world: World) -> None:
    """One job for one push, however often its verdict is published; the registry has delivered every event of it.

    The SBOM is put once, since the second verdict is by the same facts.
    """
    image = build_image([base_layer()], config={"User": "app"})
    world.push(image, "team/app")
    world.verdict("team/app", image.digest)
    world.push(image, "team/app", "v2")
    eventually(lambda: len(world.receiver.requests) == 2, what="the second message")

    def is_at_rest() -> bool:
        """Nothing waits or is under way, and the registry has nothing more to tell: what comes of nothing would begin here."""
        sent = world.registry.notifications()
        told = sent["Pending"] == 0 and sent["Events"] == sent["Successes"] == len(world.daemon.get(EVENTS)["events"])
        return told and not stored(world.daemon, OPEN_JOBS) and not stored(world.daemon, OPEN_PUBLICATIONS)

    # Twice, because the two sides are not looked at in one moment.
    world.daemon.eventually(is_at_rest, what="rest")
    world.daemon.eventually(is_at_rest, what="rest")
    rows = world.daemon.get(EVENTS)["events"]
    accepted = [row for row in rows if row["decision"] == "accepted"]
    assert [row["tag"] for row in accepted] == ["v2", "v1"]
    own = [row for row in rows if row["reason"] == "published-by-us"]
    assert len(own) == 6  # two verdicts, one SBOM, three fallback indexes
    index = get_manifest(world.registry.url, "team/app", image.digest.replace(":", "-"))
    assert len(index["manifests"]) == 2
    recorded = [line for line in world.daemon.lines() if line["event"] == "verdict.recorded"]
    assert len(recorded) == 2
