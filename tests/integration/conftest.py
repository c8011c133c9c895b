"""A real registry for every integration test that asks for one."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.doubles import docker_registry as real
from tests.doubles.docker_registry import RunningRegistry


@pytest.fixture
def start_docker_registry() -> Iterator[Callable[..., RunningRegistry]]:
    """`start(directory, …)`, as `tests/doubles/docker_registry.py` has it; everything started ends with the test."""
    started: list[RunningRegistry] = []

    def start(
        directory: Path,
        *,
        notify_url: str | None = None,
        notify_headers: Mapping[str, str] | None = None,
        ignore_noise: bool = False,
        htpasswd: bool = False,
        deletes: bool = True,
    ) -> RunningRegistry:
        running = real.start_docker_registry(
            directory,
            notify_url=notify_url,
            notify_headers=notify_headers,
            ignore_noise=ignore_noise,
            htpasswd=htpasswd,
            deletes=deletes,
        )
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def docker_registry(start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path) -> RunningRegistry:
    """An empty, open registry without notifications: `.host`, `.port`, `.url`."""
    return start_docker_registry(tmp_path / "docker-registry")
