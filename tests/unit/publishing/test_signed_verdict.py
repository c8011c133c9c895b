"""A verdict that is attached signed."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.keys import KeyPair, p256
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher import settings as configuration
from watcher.cli.app import main
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError
from watcher.model.reference import RepositoryName
from watcher.model.referrers_tag import fallback_tag
from watcher.model.verdict import Verdict
from watcher.model.verdict_json import VERDICT_TYPE
from watcher.publishing.context import PublisherContext
from watcher.publishing.dsse import ENVELOPE_TYPE, read_envelope
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.publishing.signing_key import public_key
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

REPOSITORY = RepositoryName("team/app")
IMAGE = build_image([build_layer({"a": "b"})])


@pytest.fixture
def pair(tmp_path: Path) -> KeyPair:
    return p256(tmp_path)


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[PublisherContext]:
    async with publisher_context(tmp_path / "w.db") as context:
        yield context


@pytest.fixture
async def registry() -> AsyncIterator[MemoryRegistry]:
    async with serve_registry() as registry:
        put_image(registry, REPOSITORY, IMAGE, "v1")
        yield registry


def verdict_of(registry: MemoryRegistry) -> Verdict:
    verdict = a_verdict()
    return replace(verdict, subject=replace(verdict.subject, registry=registry.host, repository=REPOSITORY, digest=IMAGE.digest))


async def test_the_layer_is_the_envelope_of_the_verdict(registry: MemoryRegistry, context: PublisherContext, pair: KeyPair) -> None:
    """The artefact is of the same type as without a key; published again it is the same bytes."""
    publisher = ReferrerPublisher(ReferrerPublisherSettings(sign_with=pair.reference), context)
    await publisher.publish(verdict_of(registry), Notes())
    held = registry.content.existing(REPOSITORY)
    before = held.tags[fallback_tag(IMAGE.digest)]
    await publisher.publish(verdict_of(registry), Notes())
    assert held.tags[fallback_tag(IMAGE.digest)] == before
    (entry,) = json.loads(held.manifest(fallback_tag(IMAGE.digest)).raw)["manifests"]
    assert entry["artifactType"] == VERDICT_TYPE
    (layer,) = held.manifests[Digest(entry["digest"])].body["layers"]
    assert layer["mediaType"] == ENVELOPE_TYPE
    envelope = read_envelope(held.blobs[layer["digest"]])
    assert envelope.payload_type == VERDICT_TYPE
    assert envelope.signer([public_key(pair.public)]) is not None
    said = json.loads(envelope.payload)
    assert (said["outcome"], said["image"]["digest"], said["event"]["actor"]) == ("fail", IMAGE.digest, None)


async def test_a_key_that_cannot_be_used_is_found_at_the_start(context: PublisherContext, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        ReferrerPublisher(ReferrerPublisherSettings(sign_with=f"file:{tmp_path / 'none'}"), context)


def test_config_check_finds_it_too(
    tmp_path: Path, pair: KeyPair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "watcher.yaml"
    file.write_text(f'publish: [{{type: referrer, sign_with: "{pair.reference}"}}]')
    monkeypatch.setattr("sys.argv", ["watcher", "-c", str(file), "config", "check"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    pair.private.write_text(pair.public.read_text())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"{file}:1:39: publish[0].sign_with: {pair.reference}: is no private key" in capsys.readouterr().err


def test_a_password_without_a_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "watcher.yaml"
    file.write_text('publish: [{type: referrer, sign_with_password: "env:A"}]')
    with pytest.raises(ConfigurationError, match="of no use without sign_with"):
        configuration.load(file)
