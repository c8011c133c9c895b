"""`watcher doctor` at a docker-registry 2.8.2 that asks for a password, or does not delete."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from tests.doubles.daemon import RunningDaemon
from tests.doubles.docker_registry import PASSWORD, USERNAME, RunningRegistry
from tests.doubles.terminal import at_a_terminal
from tests.doubles.token_service import SERVICE, token_service
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.access import RegistryClients
from watcher.registry.probe_artefacts import DIGESTS
from watcher.registry.settings import PasswordAuth, RegistrySettings
from watcher.storage import opened
from watcher.store.settings import StoreSettings
from watcher.testing.images import build_image, build_layer, push_image

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
APP = RepositoryName("team/app")
Start = Callable[..., RunningRegistry]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "watcher", *arguments],
        cwd=folder,
        env={**os.environ, "DOCKER_CONFIG": str(folder), "SECRET": PASSWORD, "PYTHONPATH": str(Path.cwd()), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def doctor(folder: Path, *arguments: str, code: int = 0, **environment: str) -> Mapping[str, Mapping[str, str]]:
    """Its steps by their names."""
    ended = run(folder, "doctor", "-o", "json", *arguments, **environment)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr
    return {step["step"]: step for step in map(json.loads, ended.stdout.splitlines())}


async def pushed(registry: RunningRegistry, auth: PasswordAuth | None = None) -> None:
    async with RegistryClients.of([RegistrySettings(host=registry.host, auth=auth)]) as registries:
        uploads = registries.access(registry.host).uploads
        await push_image(uploads, APP, build_image([build_layer({"a": "b"})]), Tag("v1"))


def configured(folder: Path, registry: RunningRegistry) -> None:
    auth = {"type": "basic", "username": USERNAME, "password": "env:SECRET"}
    written = {"registries": [{"host": str(registry.host), "auth": auth}], "publish": [{"type": "referrer"}]}
    (folder / "watcher.yaml").write_text(yaml.safe_dump(written))


async def test_with_a_password(start_docker_registry: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it works, and nothing is left; a wrong one is told at the login."""
    registry = start_docker_registry(tmp_path / "registry", htpasswd=True)
    monkeypatch.setenv("SECRET", PASSWORD)
    await pushed(registry, PasswordAuth(username=USERNAME, password="env:SECRET"))
    configured(tmp_path, registry)
    steps = doctor(tmp_path, "--write")
    assert {step["result"] for step in steps.values() if step["area"] == "registry"} == {"ok"}
    assert steps["login"]["detail"] == "the password is taken"
    assert "a tag only with its manifest" in steps["delete"]["detail"]
    assert doctor(tmp_path)["image"]["detail"] == "team/app:v1"  # the only tag there is
    steps = doctor(tmp_path, code=1, SECRET="another")
    assert steps["login"]["result"] == "failed"
    assert steps["push"]["result"] == "skipped"


async def test_where_nothing_is_deleted(start_docker_registry: Start, tmp_path: Path) -> None:
    """It is a warning that names the switch, and docs/how-to/doctor.md shows it."""
    registry = start_docker_registry(tmp_path / "registry")
    await pushed(registry)
    registry.stop()
    config = registry.directory / "config.yml"
    config.write_text(config.read_text().replace("enabled: true", "enabled: false"))
    registry.start()
    steps = doctor(tmp_path, f"{registry.host}/{APP}:v1", "--write")
    assert steps["delete"]["result"] == "warning"
    assert "UNSUPPORTED" in steps["delete"]["detail"]
    assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in steps["delete"]["advice"]
    (typed,) = re.findall(r"```console\n\$ (watcher .*)\n((?:.*\n)*?)```", PAGE.read_text())
    command = [sys.executable, "-m", *(word.replace("localhost:5000", str(registry.host)) for word in typed[0].split())]
    environment = {"DOCKER_CONFIG": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    _, shown = at_a_terminal(command, columns=300, folder=tmp_path, environment=environment)
    assert shown.replace(str(registry.host), "localhost:5000").replace(f"port {registry.port}", "port 5000") == typed[1]


async def test_what_a_token_service_grants(start_docker_registry: Start, tmp_path: Path) -> None:
    """Each right that is missing shows at its own step: to list, to push, to delete."""
    with token_service(tmp_path / "tokens") as service:
        registry = start_docker_registry(tmp_path / "registry")
        await pushed(registry)
        registry.stop()
        config = registry.directory / "config.yml"
        config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "auth": service.auth}))
        registry.start()
        (tmp_path / "watcher.yaml").write_text("publish: [{type: referrer}]\n")
        name = f"{registry.host}/{APP}"
        steps = doctor(tmp_path, str(registry.host))
        assert f"asks for a token of {service.url.removeprefix('http://')} for {SERVICE}" in steps["ping"]["detail"]
        assert steps["image"]["result"] == "skipped"
        assert "registry:catalog:*" in steps["image"]["advice"]
        steps = doctor(tmp_path, name, "--write", code=1)
        assert [steps[step]["result"] for step in ("get", "blob", "push", "attach")] == ["ok", "ok", "failed", "skipped"]
        assert "401, insufficient_scope" in steps["push"]["detail"]
        service.granted |= {"push"}
        steps = doctor(tmp_path, name, "--write")
        assert [steps[step]["result"] for step in ("attach", "tags", "delete")] == ["ok", "ok", "warning"]
        assert "401, insufficient_scope" in steps["delete"]["detail"]
        service.granted |= {"delete", "*"}
        assert doctor(tmp_path, name, "--write")["delete"]["result"] == "ok"
        assert doctor(tmp_path, str(registry.host))["image"]["detail"] == f"{APP}:v1"


async def test_beside_a_daemon(docker_registry: RunningRegistry, tmp_path: Path) -> None:
    """What it says of itself is told; it is neither stopped nor told anything, and what is written is known to be ours."""
    await pushed(docker_registry)
    config = f"registries: [{{host: '{docker_registry.host}'}}]\npublish: [{{type: referrer}}]\n"
    daemon = RunningDaemon(directory=tmp_path, config=config)
    daemon.start()
    try:
        steps = doctor(tmp_path, "--write")
    finally:
        daemon.stop()
    assert steps["server"]["detail"] == "the daemon runs, and is ready"
    assert steps["store"]["result"] == steps["delete"]["result"] == "ok"
    async with opened(StoreSettings(url=f"sqlite:///{tmp_path}/watcher.db")) as storage:
        assert set(await storage.own_writes.claimed(DIGESTS)) == DIGESTS
