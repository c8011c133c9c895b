"""Attestations on docker-registry 2.8.2, which has no Referrers API; with the daemon, and with strangers who sign images."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.doubles.attesting import Stranger
from tests.doubles.daemon import RunningDaemon
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.hooks import rows, told_at
from tests.doubles.keys import KeyPair, p256
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.pushing import skopeo_push, write_layout
from tests.doubles.verdicts import a_verdict
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.publishing.context import PublisherContext
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.registry.client import RegistryClient
from watcher.registry.settings import AnonymousAuth, RegistrySettings
from watcher.registry.uploads import RegistryUploads
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, push_image
from watcher.testing.ports import free_port

APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"etc/os-release": "ID=debian\n"})], config={"User": "1000"})
ARM = build_image([build_layer({"etc/os-release": "ID=alpine\n"})], platform="linux/arm64", config={"User": "1000"})
INDEX = build_index([IMAGE, ARM])
FORMS = pytest.mark.parametrize("form", ["bundle", "legacy"])
Daemon = tuple[RunningRegistry, RunningDaemon]
POLICY = """
apiVersion: watcher/v1
kind: Policy
metadata: {name: own, version: 1.0.0}
rules:
  - {id: all, action: fail, category: compliance, when: 'WRONG', message: wrong}
"""


@dataclass(slots=True, kw_only=True)
class Attested:
    """One image in the registry, and a publisher that attests it."""

    registry: RunningRegistry
    context: PublisherContext
    pair: KeyPair

    @property
    def stranger(self) -> Stranger:
        return Stranger(host=self.registry.host)

    async def push(self, image: BuiltImage, tag: str) -> None:
        async with RegistryClient(RegistrySettings(host=self.registry.host, auth=AnonymousAuth())) as client:
            await push_image(RegistryUploads(client), APP, image, Tag(tag))

    async def publish(self, outcome: Outcome, image: BuiltImage = IMAGE, **changes: Any) -> None:
        settings: dict[str, Any] = {"sign_with": self.pair.reference, "attest": ("pass",)} | changes
        publisher = ReferrerPublisher(ReferrerPublisherSettings(**settings), self.context)
        verdict = a_verdict(outcome=outcome, findings=())
        subject = replace(verdict.subject, registry=self.registry.host, repository=APP, digest=image.digest, environment=None)
        await publisher.publish(replace(verdict, subject=subject), Notes())


@pytest.fixture
async def attested(docker_registry: RunningRegistry, tmp_path: Path) -> AsyncIterator[Attested]:
    async with publisher_context(tmp_path / "w.db") as context:
        found = Attested(registry=docker_registry, context=context, pair=p256(tmp_path))
        await found.push(IMAGE, "v1")
        await found.push(INDEX, "multi")
        yield found


def skopeo(*arguments: str) -> bytes:
    return subprocess.run(["skopeo", *arguments], capture_output=True, check=True).stdout


@FORMS
async def test_what_does_not_pass_any_more_is_attested_by_nothing(attested: Attested, form: str) -> None:
    """Bundles and layers are counted, of an image and of an index, there and back again."""
    for image in (IMAGE, INDEX):
        for outcome, count in ((Outcome.PASS, 1), (Outcome.FAIL, 0), (Outcome.PASS, 1), (Outcome.UNKNOWN, 0)):
            await attested.publish(outcome, image, attestation_format=form)
            assert sum(await attested.stranger.counts(image.digest)) == count
            assert await attested.stranger.outcomes(image.digest) == [outcome.value]


async def test_the_image_of_attestations_is_one(attested: Attested) -> None:
    """Skopeo reads it and copies it as it is, and what others attested is in it still."""
    await attested.stranger.sign_legacy(IMAGE, "att", {"foreign": 1})
    foreign = await attested.stranger.att(IMAGE.digest)
    await attested.publish(Outcome.PASS)
    name = f"docker://{attested.registry.host}/{APP}:{IMAGE.digest.replace(':', '-')}.att"
    shown = await asyncio.to_thread(skopeo, "inspect", "--config", "--tls-verify=false", name)
    assert len(json.loads(shown)["rootfs"]["diff_ids"]) == 2
    copied = f"dir:{attested.registry.directory / 'copied'}"
    await asyncio.to_thread(skopeo, "copy", "--src-tls-verify=false", "--preserve-digests", name, copied)
    await attested.publish(Outcome.FAIL)
    assert await attested.stranger.att(IMAGE.digest) == foreign


@FORMS
async def test_a_registry_that_deletes_nothing_shows_nothing_either(
    start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path, form: str
) -> None:
    """As docker-registry is by default: the list and the tag are ours to write, and the log says what is missing."""
    registry = start_docker_registry(tmp_path / "keeping", deletes=False)
    async with publisher_context(tmp_path / "w.db") as context:
        attested = Attested(registry=registry, context=context, pair=p256(tmp_path))
        await attested.push(IMAGE, "v1")
        await attested.publish(Outcome.PASS, attestation_format=form)
        with capture_logs() as logs:
            await attested.publish(Outcome.FAIL, attestation_format=form)
        assert await attested.stranger.counts(IMAGE.digest) == (0, 0)
        assert [each["log_level"] for each in logs if each["event"] == "attestation.not-removed"] == ["warning"]


@pytest.fixture
def daemon(start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path, form: str) -> Iterator[Daemon]:
    port, pair = free_port(), p256(tmp_path)
    registry = start_docker_registry(
        tmp_path / "registry",
        **told_at(port),
    )
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.yaml").write_text(POLICY.replace("WRONG", "false"))
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        f"publish: [{{type: referrer, sign_with: '{pair.reference}', attest: [pass], attestation_format: {form}}}]\n"
        f"policies: {{packs: [], path: '{tmp_path / 'policies'}'}}\n"
    )
    running = RunningDaemon(directory=tmp_path, config=config, port=port)
    running.start()
    yield registry, running
    assert running.stop() == 0


@FORMS
def test_from_push_to_attestation_and_back(daemon: Daemon, tmp_path: Path, form: str) -> None:
    """The daemon attests what was pushed, a command verifies it, other policies take it away; what it writes itself is no work."""
    registry, running = daemon
    skopeo_push(write_layout(tmp_path / "layout", IMAGE), f"{registry.host}/team/app:v1")

    def ends_with(code: int, said: str) -> Callable[[], bool]:
        command = [sys.executable, "-m", "watcher", "verdict", "verify", f"{registry.host}/team/app:v1"]

        def verified() -> bool:
            ended = subprocess.run(
                [*command, "--key", str(tmp_path / "verdict.pub"), "-o", "json"], capture_output=True, cwd="/", check=False
            )
            forms = {each["form"] for each in json.loads(ended.stdout)["found"]} if ended.stdout else set()
            return (ended.returncode, " ".join(sorted(forms))) == (code, said)

        return verified

    running.eventually(ends_with(0, " ".join(sorted([form, "verdict"]))), what="an attestation")
    (tmp_path / "policies" / "own.yaml").write_text(POLICY.replace("WRONG", "true"))
    assert running.process is not None
    os.kill(running.process.pid, signal.SIGHUP)
    running.eventually(ends_with(1, "verdict"), what="an end of it")
    assert {each["digest"] for each in rows(running, "SELECT digest FROM job")} == {IMAGE.digest}


@pytest.mark.parametrize("form", ["auto"])
def test_a_signature_that_comes_after_the_push_is_not_hidden(daemon: Daemon, tmp_path: Path) -> None:
    """As CI does it: push, then sign. The attestation follows each time, and there is one."""
    registry, running = daemon
    stranger = Stranger(host=registry.host)
    skopeo_push(write_layout(tmp_path / "layout", IMAGE), f"{registry.host}/team/app:v1")

    def counts(bundles: int, layers: int) -> Callable[[], bool]:
        return lambda: asyncio.run(stranger.counts(IMAGE.digest)) == (bundles, layers)

    running.eventually(counts(1, 0), what="a bundle")
    asyncio.run(stranger.sign_legacy(IMAGE, "sig", {"signed": "by cosign 2"}))
    running.eventually(counts(0, 1), what="a layer beside the signature")
    asyncio.run(stranger.attach_bundle(IMAGE, {"mediaType": "signed by cosign 3"}, {}))
    running.eventually(counts(2, 0), what="a bundle beside the bundle")
