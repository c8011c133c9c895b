"""Notary Project signatures as docs/how-to/attestations.md has them made, on docker-registry, which lists them under a tag."""

import asyncio
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from tests.doubles.attesting import Stranger
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.notaries import openssl_accepts, said_in
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher import settings as configuration
from watcher.kit.clock import utc_now
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.registry.client import RegistryClient
from watcher.registry.settings import AnonymousAuth, RegistrySettings
from watcher.registry.uploads import RegistryUploads
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, push_image

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "attestations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Sign images for Notary Project\n")[2].partition("\n## ")[0]
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL))
APP = RepositoryName("team/app")
SIGNATURE = "application/vnd.cncf.notary.signature"
IMAGE = build_image([build_layer({"etc/os-release": "ID=debian\n"})], config={"User": "1000"})
ARM = build_image([build_layer({"etc/os-release": "ID=alpine\n"})], platform="linux/arm64", config={"User": "1000"})
INDEX = build_index([IMAGE, ARM])


def run(*command: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment or None, capture_output=True, text=True, check=False)


@pytest.fixture
def typed(tmp_path: Path) -> ReferrerPublisherSettings:
    """The settings of the page, with keys and certificates that its commands made."""
    commands = re.sub(r"^\$ ", "", BLOCKS["console"], flags=re.MULTILINE)
    ended = run("bash", "-ec", commands, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for path in ("/run/secrets", "/etc/watcher"):
        assert path in BLOCKS["yaml"]
    text = BLOCKS["yaml"].replace("/run/secrets", str(tmp_path)).replace("/etc/watcher", str(tmp_path))
    (tmp_path / "watcher.yaml").write_text(text)
    checked = run(sys.executable, "-m", "watcher", "-c", tmp_path / "watcher.yaml", "config", "check", folder=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "notation" not in checked.stderr
    (publisher,) = configuration.load(tmp_path / "watcher.yaml").publish
    assert isinstance(publisher, ReferrerPublisherSettings)
    return publisher


async def publish(
    registry: RunningRegistry, settings: ReferrerPublisherSettings, folder: Path, outcome: Outcome, image: BuiltImage
) -> None:
    async with RegistryClient(RegistrySettings(host=registry.host, auth=AnonymousAuth())) as client:
        await push_image(RegistryUploads(client), APP, image, Tag("v1"))
    async with publisher_context(folder / "w.db") as context:
        verdict = a_verdict(outcome=outcome, findings=(), evaluated_at=utc_now())
        subject = replace(verdict.subject, registry=registry.host, repository=APP, digest=image.digest, environment=None)
        publisher = ReferrerPublisher(settings, replace(context, clock=utc_now))
        await publisher.publish(replace(verdict, subject=subject), Notes())


@pytest.mark.parametrize("image", [IMAGE, INDEX], ids=["image", "index"])
async def test_what_the_page_makes_signs_what_passes(
    docker_registry: RunningRegistry, typed: ReferrerPublisherSettings, tmp_path: Path, image: BuiltImage
) -> None:
    """Openssl verifies it by the root that the page makes; once the image fails it is gone."""
    stranger = Stranger(host=docker_registry.host)
    await publish(docker_registry, typed, tmp_path, Outcome.PASS, image)
    (entry,) = await stranger.referrers(image.digest, SIGNATURE)
    assert entry["annotations"].keys() >= {"io.cncf.notary.x509chain.thumbprint#S256", "org.opencontainers.image.created"}
    manifest = await stranger.manifest(entry["digest"])
    assert manifest is not None
    envelope = await stranger.blob(manifest["layers"][0]["digest"])
    target = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw)}
    assert said_in(envelope)[1] == {"targetArtifact": target}
    root = x509.load_pem_x509_certificate((tmp_path / "root.crt").read_bytes())
    assert await asyncio.to_thread(openssl_accepts, envelope, tmp_path, root)
    await publish(docker_registry, typed, tmp_path, Outcome.FAIL, image)
    assert await stranger.referrers(image.digest, SIGNATURE) == []
