"""Credential helpers: real programs on PATH, asked as docker asks them."""

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from tests.doubles.certificates import Authority
from watcher.kit.trust import VARIABLES, trust
from watcher.model.errors import AuthenticationError, ConfigurationError
from watcher.model.reference import DOCKER_HUB, Host
from watcher.registry.credentials_docker import DockerSource
from watcher.registry.docker_helper import MAX_OUTPUT_BYTES, ask_helper

HOST = Host("registry.example.com")
PROGRAM = "docker-credential-test"

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install(script)`: the body of a shell script that becomes the helper."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(script: str) -> None:
        path = folder / PROGRAM
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return put


def is_running(pid: int) -> bool:
    """A process that has ended and waits to be collected is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_password(install: Install, tmp_path: Path) -> None:
    """The host goes in, user name and secret come out."""
    install(f'[ "$1" = get ] || exit 9; cat > {tmp_path}/question; echo \'{{"ServerURL": "x", "Username": "u", "Secret": "p"}}\'')
    found = ask_helper(PROGRAM, HOST)
    assert found is not None
    assert (found.username, found.password and found.password.reveal()) == ("u", "p")
    assert (tmp_path / "question").read_text() == HOST


def test_an_identity_token(install: Install) -> None:
    """The user name `<token>` says that the secret is one."""
    install('echo \'{"Username": "<token>", "Secret": "refresh"}\'')
    found = ask_helper(PROGRAM, HOST)
    assert found is not None
    assert (found.password, found.identity_token and found.identity_token.reveal()) == (None, "refresh")


def test_docker_hub_has_a_key_of_its_own(install: Install, tmp_path: Path) -> None:
    """Keychains know it as a URL."""
    install(f'cat > {tmp_path}/question; echo \'{{"Username": "u", "Secret": "p"}}\'')
    ask_helper(PROGRAM, DOCKER_HUB)
    assert (tmp_path / "question").read_text() == "https://index.docker.io/v1/"


def test_a_helper_believes_whom_we_believe(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It inherits where the authorities are read, by whichever variable its library looks at, and can open them there."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    trust(str(Authority(tmp_path).path))
    files = " ".join(f'"${name}"' for name in VARIABLES)
    install(f"""for each in {files}; do grep -q "BEGIN CERT" "$each" || exit 9; done; echo '{{"Username": "u", "Secret": "p"}}'""")
    assert ask_helper(PROGRAM, HOST) is not None


@pytest.mark.parametrize("script", ['echo "credentials not found in native keychain"; exit 1', "echo '{}'"])
def test_nothing_kept_is_nothing(script: str, install: Install) -> None:
    """By the protocol's own words, or by an answer without a secret."""
    install(script)
    assert ask_helper(PROGRAM, HOST) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'token hunter2 expired'; exit 3", "ended with 3"),
        ("echo hunter2", "not the JSON"),
        ('echo \'{"Secret": 7, "x": "hunter2"}\'', "not the JSON"),
        ("printf '\\377'", "not the JSON"),
        ("", "not the JSON"),
        (f"head -c {MAX_OUTPUT_BYTES + 1} /dev/zero", "printed more than"),
    ],
)
def test_what_goes_wrong_is_said_without_what_was_printed(script: str, said: str, install: Install) -> None:
    """Its output may hold a secret."""
    install(script)
    with pytest.raises(AuthenticationError, match=said) as caught:
        ask_helper(PROGRAM, HOST)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("script", ["sleep 60 & echo $! > {pid}; wait", "sleep 60 & echo $! > {pid}; exec 1>&-; wait"])
def test_one_that_hangs_is_ended_with_all_it_started(script: str, install: Install, tmp_path: Path) -> None:
    """In time, whether it prints nothing or only does not end."""
    started = tmp_path / "pid"
    install(script.format(pid=started))
    for seconds in (0.3, 3.0, 30.0):  # a busy machine may not get far before it is ended
        with pytest.raises(AuthenticationError, match=r"in time|within"):
            ask_helper(PROGRAM, HOST, timeout_seconds=seconds)
        if started.exists() and started.read_text():
            break
    child = int(started.read_text())
    while is_running(child):
        time.sleep(0.01)


def test_one_that_never_ends_printing_is_ended(install: Install) -> None:
    """Reading stops at the bound."""
    install("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done")
    with pytest.raises(AuthenticationError, match="printed more than"):
        ask_helper(PROGRAM, HOST)


@pytest.mark.parametrize(
    "name", ["docker-credential-$(id)", "docker-credential-../x", "sh", "docker-credential-a b", "docker-credential-"]
)
def test_a_name_that_is_none_is_not_run(name: str) -> None:
    """A configuration file names a helper and nothing else."""
    with pytest.raises(ConfigurationError, match="not the name of a credential helper"):
        ask_helper(name, HOST)


def test_a_helper_that_is_not_installed() -> None:
    """Said so; the operator has to do something."""
    with pytest.raises(ConfigurationError, match="No such file"):
        ask_helper("docker-credential-nowhere", HOST)


def write(docker_config: Path, document: object) -> None:
    docker_config.parent.mkdir(exist_ok=True)
    docker_config.write_text(json.dumps(document))


async def test_the_configuration_s_helper_is_asked_each_time(install: Install, docker_config: Path, tmp_path: Path) -> None:
    """What it keeps may have been replaced."""
    write(docker_config, {"credHelpers": {HOST: "test"}})
    install(f'echo x >> {tmp_path}/runs; echo \'{{"Username": "u", "Secret": "p\'$(wc -l < {tmp_path}/runs)\'"}}\'')
    source = DockerSource(HOST, None, needed=True)
    found = [await source.fetch(), await source.fetch()]
    assert [each.password.reveal() for each in found if each and each.password] == ["p1", "p2"]


async def test_a_helper_that_is_missing_is_an_error_only_where_it_is_needed(docker_config: Path) -> None:
    """Otherwise the registry is asked anonymously, and the log says once why."""
    write(docker_config, {"credsStore": "nowhere"})
    with pytest.raises(ConfigurationError, match="docker-credential-nowhere"):
        await DockerSource(HOST, None, needed=True).fetch()
    capture = LogCapture()
    structlog.configure(processors=[capture])
    ambient = DockerSource(HOST, None, needed=False)
    assert (await ambient.fetch(), await ambient.fetch()) == (None, None)
    assert [entry["event"] for entry in capture.entries] == ["credentials.skipped"]
