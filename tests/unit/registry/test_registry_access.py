"""The clients of all registries: one for each, whoever asks."""

from pathlib import Path

import pytest

from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host, parse_reference
from watcher.registry.access import Registries
from watcher.registry.settings import EcrAuth, PasswordAuth, RegistrySettings

HOST = Host("registry.example.com")


async def test_one_client_for_each_registry() -> None:
    """So that every lane waits for the same turns."""
    async with Registries.of([RegistrySettings(host=HOST)]) as registries:
        assert registries.access(HOST) is registries.access(HOST)
        assert registries.images(HOST) is registries.access(HOST).images
        assert registries.access(Host("other.example.com")) is not registries.access(HOST)
        assert registries.hosts == (HOST,)


@pytest.mark.parametrize(
    "settings",
    [
        RegistrySettings(host=HOST, ca_file="/nowhere/ca.pem"),
        RegistrySettings(host=HOST, auth=PasswordAuth(username="u", password="file:/nowhere/password")),
        RegistrySettings(host=HOST, auth=EcrAuth()),
    ],
)
async def test_what_is_wrong_with_a_registry_is_said_at_the_start(settings: RegistrySettings) -> None:
    """Not at its first push; and it is no hindrance for whoever needs another one."""
    async with Registries.of([settings, RegistrySettings(host="other.example.com")]) as registries:
        registries.access(Host("other.example.com"))
        with pytest.raises(ConfigurationError, match=r"nowhere|region"):
            registries.open_configured()


async def test_a_mirror_is_a_registry_like_any_other(tmp_path: Path) -> None:
    """Its own settings hold for it, the mistakes among them too."""
    mirror = RegistrySettings(host="cache.example.com", ca_file=str(tmp_path / "missing.pem"))
    async with Registries.of([RegistrySettings(host=HOST, mirrors=("cache.example.com/proxy",)), mirror]) as registries:
        with pytest.raises(ConfigurationError, match="ca_file"):
            registries.images(HOST)


async def test_only_configured_registries_are_asked_for_what_an_image_names() -> None:
    """An image must not make us dial a host of its choice."""
    async with Registries.of([RegistrySettings(host=HOST)]) as registries:
        digest = Digest(f"sha256:{'1' * 64}")
        assert await registries.fetch_configured(parse_reference(f"evil.test/base@{digest}")) is None
