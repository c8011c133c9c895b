"""What is told of a configuration that was changed while the daemon ran."""

import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from watcher import settings as configuration
from watcher.evaluation.policies.loading import PolicySources, load_settings
from watcher.evaluation.settings import PolicySettings
from watcher.kit.reload_metrics import ReloadMetrics
from watcher.model.errors import PolicyError
from watcher.reloading import Reload

WRITTEN = """\
server: {port: 8080, api_token: "env:TOKEN"}
registries: [{host: a.example}, {host: b.example, auth: {type: basic, username: x, password: "env:A"}}]
sources: [{type: sweep, registry: a.example, every: 15m, repositories: [a]}]
policies: {packs: [baseline]}
"""


class World:
    """A file, and what was put in force of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "watcher.yaml"
        self.path.write_text(WRITTEN)
        self.in_force: list[PolicySettings] = []
        self.registry = CollectorRegistry()
        self.refuses: Exception | None = None
        self.reload = Reload(configuration.read(self.path), self.replace, ReloadMetrics(self.registry))

    async def replace(self, policies: PolicySettings) -> PolicySources:
        if self.refuses is not None:
            raise self.refuses
        self.in_force.append(policies)
        return load_settings(policies, beside=self.path.parent)

    async def told(self) -> list[dict[str, object]]:
        with capture_logs() as logs:
            await self.reload.again()
        return [dict(line) for line in logs]

    @property
    def successful(self) -> float | None:
        return self.registry.get_sample_value("watcher_config_last_reload_successful")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_policies_are_put_in_force(world: World) -> None:
    """With all that their block says; what is as it was is not told."""
    world.path.write_text(WRITTEN.replace("packs: [baseline]", "packs: [vulnerabilities], on_no_match: warn"))
    assert await world.told() == []
    assert world.in_force == [PolicySettings(packs=("vulnerabilities",), on_no_match="warn")]
    assert world.successful == 1


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("port: 8080", "port: 8081", ["server.port"]),
        ("server: {port: 8080, ", "log: {level: debug}\nserver: {port: 1, ", ["log.level", "server.port"]),
        ("env:A", "env:B", ["registries[1].auth.password"]),
        (
            '{type: basic, username: x, password: "env:A"}',
            "{type: anonymous}",
            ["registries[1].auth"],
        ),
        (", {host: b.example", ", {host: c.example}, {host: b.example", ["registries"]),
        ("repositories: [a]", "repositories: [a, b]", ["sources[0].repositories"]),
        ("server:", "publish: [{type: log}]\nserver:", ["publish"]),
    ],
)
async def test_what_needs_a_restart_is_named(world: World, before: str, after: str, keys: list[str]) -> None:
    """By its keys and never by its values, again and again until there was one."""
    world.path.write_text(WRITTEN.replace(before, after))
    for _ in range(2):
        (line,) = await world.told()
        assert (line["event"], line["log_level"], line["keys"]) == ("configuration.restart_needed", "warning", keys)
        assert "env:" not in str(line)
    assert world.successful == 1


async def test_a_file_that_is_wrong_changes_nothing(world: World) -> None:
    """What is wrong is told as `config check` tells it, and the next one that is good is taken."""
    world.path.write_text(WRITTEN.replace("packs", "pakcs"))
    (line,) = await world.told()
    assert (line["event"], line["log_level"]) == ("configuration.refused", "error")
    assert str(line["detail"]).startswith(f"{world.path}:4:12: policies.pakcs: there is no key 'pakcs' here")
    assert (world.in_force, world.successful) == ([], 0)
    world.path.unlink()
    (line,) = await world.told()
    assert line["event"] == "configuration.refused"
    os.mkfifo(world.path)
    (line,) = await world.told()
    assert "is no regular file" in str(line["detail"])
    world.path.unlink()
    world.path.write_text(WRITTEN)
    assert await world.told() == []
    assert (len(world.in_force), world.successful) == (1, 1)


@pytest.mark.parametrize("text", ["", "# all of it is to be written again\n", "{}\n"])
async def test_a_file_that_was_emptied_changes_nothing(world: World, text: str) -> None:
    """Its defaults would take the place of the operator's policies; a daemon that began with such a file knows no others."""
    world.path.write_text(text)
    (line,) = await world.told()
    assert (line["event"], world.in_force, world.successful) == ("configuration.refused", [], 0)
    assert str(line["detail"]).startswith(f"{world.path}: the file is empty")
    begun = Reload(configuration.read(world.path), world.replace, ReloadMetrics(CollectorRegistry()))
    await begun.again()
    assert world.in_force == [PolicySettings()]


async def test_a_file_that_was_cut_before_its_policies_changes_nothing(world: World) -> None:
    """Cut at the end of a line it is good YAML; who wants the defaults says so."""
    world.path.write_text(WRITTEN.partition("policies")[0])
    (line,) = await world.told()
    assert (line["event"], world.in_force, world.successful) == ("configuration.refused", [], 0)
    assert "there are no `policies` any more" in str(line["detail"])
    world.path.write_text(WRITTEN.partition("policies")[0] + "policies: {}\n")
    assert await world.told() == []
    assert world.in_force == [PolicySettings()]


async def test_that_no_policy_is_in_force_is_told(world: World) -> None:
    """In the words in which a start tells it, each time."""
    world.path.write_text(WRITTEN.replace("[baseline]", "[]"))
    for _ in range(2):
        (line,) = await world.told()
        assert (line["event"], line["log_level"]) == ("configuration.doubtful", "warning")
        assert str(line["detail"]).startswith(f"{world.path}:4:1: policies: no policy is in force")


async def test_policies_that_are_wrong_change_nothing(world: World) -> None:
    """What nobody foresaw is told by the one who runs it again."""
    begun = world.registry.get_sample_value("watcher_config_last_reload_success_timestamp_seconds")
    world.refuses = PolicyError("a.yaml:1:1: wrong")
    (line,) = await world.told()
    assert (line["event"], line["detail"], world.successful) == ("policies.refused", "a.yaml:1:1: wrong", 0)
    world.refuses = OSError("stumbled")
    with pytest.raises(OSError, match="stumbled"):
        await world.told()
    assert world.successful == 0
    assert world.registry.get_sample_value("watcher_config_last_reload_success_timestamp_seconds") == begun
