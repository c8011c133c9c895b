"""The clients of all registries: one for each, whoever asks."""

from pathlib import Path

import pytest

from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host, RepositoryName
from watcher.registry.access import RegistryClients
from watcher.registry.settings import EcrAuth, PasswordAuth, RegistrySettings

HOST, APP = Host("registry.example.com"), RepositoryName("team/app")


async def test_one_client_for_each_registry() -> None:
    """So that every lane waits for the same turns."""
    async with RegistryClients.of([RegistrySettings(host=HOST)]) as registries:
        assert registries.images(HOST, APP) == registries.images(HOST, APP)
        assert registries.access(HOST).manifests(APP) == registries.images(HOST, APP)
        assert registries.images(Host("other.example.com"), APP) != registries.images(HOST, APP)
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
    async with RegistryClients.of([settings, RegistrySettings(host="other.example.com")]) as registries:
        registries.access(Host("other.example.com"))
        with pytest.raises(ConfigurationError, match=r"nowhere|region"):
            registries.open_configured()


async def test_a_mirror_is_a_registry_like_any_other(tmp_path: Path) -> None:
    """Its own settings hold for it, the mistakes among them too."""
    mirror = RegistrySettings(host="cache.example.com", ca_file=str(tmp_path / "missing.pem"))
    async with RegistryClients.of([RegistrySettings(host=HOST, mirrors=("cache.example.com/proxy",)), mirror]) as registries:
        with pytest.raises(ConfigurationError, match="ca_file"):
            registries.images(HOST, APP)
