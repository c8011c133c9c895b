"""The files under deploy/ and the Dockerfile do what they say; the ones that programs read are read by those programs here."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.doubles.daemon import eventually
from watcher.testing.ports import free_port

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
SECRETS = {"HOOK_SECRET": "hook-secret-of-a-test", "WATCHER_API_TOKEN": "api-token-of-a-test"}

# Scores of `systemd-analyze security` go from 0 (locked in) to 10; 2 and above is where it stops saying "OK" without a doubt.
MAX_EXPOSURE = 2.0


def interpolated(text: str) -> str:
    """`${NAME:?…}` replaced as docker compose does it, from SECRETS."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: SECRETS[match[1]], text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(interpolated((DEPLOY / "compose.yaml").read_text()))
    return loaded


def test_both_services_of_compose_are_confined(compose: dict[str, Any]) -> None:
    """Neither service can write to its image, hold a capability, or gain one."""
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_everything_compose_mounts_is_there(compose: dict[str, Any]) -> None:
    """Each mount is a file beside compose.yaml, read-only, or a named volume that the file declares."""
    for service in compose["services"].values():
        for mount in service["volumes"]:
            source, _, options = mount.partition(":")
            if source.startswith("./"):
                assert (DEPLOY / source).is_file()
                assert options.endswith(":ro")
            else:
                assert source in compose["volumes"]


def test_compose_has_no_secret_of_its_own() -> None:
    """Secrets come from the caller's environment, and compose refuses to start without them."""
    text = (DEPLOY / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(SECRETS)
    assert not re.findall(r"\$\{\w+(?!:\?)[^\w]", text), "a variable without `:?` may be empty"


def test_the_file_of_secrets_has_all_of_them_and_none_is_known(tmp_path: Path) -> None:
    """What compose.yaml asks for, one by one; left empty it starts nothing, the instructions make each anew, and git takes none."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    assert dict(line.split("=", 1) for line in lines if not line.startswith("#")) == dict.fromkeys(SECRETS, "")
    made = re.search(r"^#   (\(umask .*)$", (DEPLOY / "compose.yaml").read_text(), re.MULTILINE)
    assert made is not None
    (tmp_path / "deploy").mkdir()
    subprocess.run(made[1], shell=True, check=True, cwd=tmp_path, timeout=30)
    written = dict(line.split("=", 1) for line in (tmp_path / "deploy" / ".env").read_text().splitlines())
    assert (written.keys(), len(set(written.values()))) == (SECRETS.keys(), len(SECRETS))
    assert "/deploy/.env" in (PROJECT / ".gitignore").read_text().splitlines()


@contextmanager
def running(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def answers(url: str, accept: str = "*/*") -> bytes | None:
    """The body of a 200 answer; None while there is none."""
    try:
        with urlopen(Request(url, headers={"Accept": accept}), timeout=2) as response:
            body: bytes = response.read()
            return body
    except (URLError, OSError):
        return None


def replaced_once(text: str, replacements: dict[str, str]) -> str:
    """Only addresses may differ between what is shipped and what is tested, and each stands in one place."""
    for old, new in replacements.items():
        assert text.count(old) == 1, f"{old} is expected once"
        text = text.replace(old, new)
    return text


def test_a_push_to_the_registry_of_compose_gets_a_verdict(compose: dict[str, Any], tmp_path: Path) -> None:
    """registry.yml, watcher.yaml and the environment of compose.yaml, with other addresses only, attach a verdict to a push."""
    registry_port, watcher_port = free_port(), free_port()
    registry, watcher = (compose["services"][name] for name in ("registry", "watcher"))
    host = f"127.0.0.1:{registry_port}"
    endpoints = registry["environment"]["REGISTRY_NOTIFICATIONS_ENDPOINTS"]
    registry_environment = {
        "REGISTRY_HTTP_ADDR": host,
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "registry"),
        "REGISTRY_NOTIFICATIONS_ENDPOINTS": replaced_once(endpoints, {"http://watcher:8080": f"http://127.0.0.1:{watcher_port}"}),
    }
    configuration = tmp_path / "watcher.yaml"
    configuration.write_text(
        replaced_once(
            (DEPLOY / "watcher.yaml").read_text(),
            {
                "host: registry:5000": f"host: {host}",
                "port: 8080": f"port: {watcher_port}",
                "host: 0.0.0.0": "host: 127.0.0.1",
                "sqlite:////data/watcher.db": f"sqlite:///{tmp_path}/watcher.db",
            },
        )
    )
    watcher_log, registry_log = tmp_path / "watcher.log", tmp_path / "registry.log"
    with ExitStack() as stack:
        daemon = stack.enter_context(
            running([sys.executable, "-m", "watcher", "run", "-c", str(configuration)], watcher_log, watcher["environment"])
        )
        command = ["docker-registry", "serve", str(DEPLOY / "registry.yml")]
        stack.enter_context(running(command, registry_log, registry_environment))
        eventually(
            lambda: answers(f"http://127.0.0.1:{watcher_port}/readyz") or daemon.poll() is not None,
            what="readiness of the watcher",
        )
        assert daemon.poll() is None, watcher_log.read_text()
        eventually(lambda: answers(f"http://{host}/v2/"), what="readiness of the registry")

        digest = push_to(host, tmp_path)

        # Distribution 2.8 has no Referrers API: OCI 1.1 keeps the list of referrers under a tag made of the digest.
        tag = digest.replace(":", "-")
        url = f"http://{host}/v2/team/app/manifests/{tag}"
        accept = "application/vnd.oci.image.index.v1+json"
        index = json.loads(eventually(lambda: answers(url, accept), what="a verdict in the registry"))
        types = [entry["artifactType"] for entry in index["manifests"]]
        assert types == ["application/vnd.registry-watcher.verdict.v1+json"]

        assert health_check(watcher_port) == 0
        assert health_check(free_port()) != 0

        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=10) == 0
    (stopped,) = (json.loads(line) for line in watcher_log.read_text().splitlines() if '"daemon.stopped"' in line)
    assert (stopped["drained"], stopped["jobs_cut_off"], stopped["publications_cut_off"]) == (True, 0, 0)
    log = watcher_log.read_text() + registry_log.read_text()
    assert not [name for name, secret in SECRETS.items() if secret in log]


def push_to(host: str, directory: Path) -> str:
    """Build an image of one file and push it with the tools people use; the digest of its manifest."""
    layout, content = directory / "layout", directory / "content"
    content.mkdir()
    (content / "hello").write_text("hello\n")
    image = f"{layout}:v1"
    commands: list[list[str | Path]] = [
        ["umoci", "init", "--layout", layout],
        ["umoci", "new", "--image", image],
        ["umoci", "insert", "--rootless", "--image", image, content, "/app"],
        ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{image}", f"docker://{host}/team/app:v1"],
    ]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    digest: str = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    return digest


def health_check(port: int) -> int:
    """The exit code of the Dockerfile's HEALTHCHECK, asked at another port."""
    found = re.search(r"^HEALTHCHECK .*?CMD (\[.*?\])$", (PROJECT / "Dockerfile").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    command = json.loads(replaced_once(found[1], {":8080/": f":{port}/"}))
    return subprocess.run([sys.executable, *command[1:]], check=False, capture_output=True, timeout=20).returncode


def test_the_dockerfile_is_clean() -> None:
    """Hadolint has nothing to say about the Dockerfile."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, PROJECT / "Dockerfile"], check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_what_layers_are_searched_for_compiled(tmp_path: Path) -> None:
    """A container cannot keep it, and would compile it at every start."""
    found = re.search(r"&& \S+/python -c \"([^\"]+)\"$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    environment = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", found[1]], check=True, timeout=60, env=environment, cwd=tmp_path)
    assert [path.name for path in tmp_path.rglob("*.hsdb")] == ["layers.hsdb"]


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The final stage ends with a numeric user, so that Kubernetes can check that it is not root."""
    users = re.findall(r"^USER (\S+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["65532:65532"]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The systemd unit with a program that exists on this machine: systemd looks for it."""
    text = replaced_once(
        (DEPLOY / "watcher.service").read_text(), {"ExecStart=/opt/registry-watcher/bin/watcher": "ExecStart=/bin/true"}
    )
    path = tmp_path / "watcher.service"
    path.write_text(text)
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing; tools/setup.sh test installs it"
    return subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=60)


def test_systemd_knows_every_line_of_the_unit(unit: Path) -> None:
    """`systemd-analyze verify` is silent; for an unknown key it warns and still exits with 0."""
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_person_has_to_change_is_not_tried_again_and_again(tmp_path: Path, unit: Path) -> None:
    """The unit is not started again after the code that `run` ends with for a wrong configuration."""
    (prevented,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit.read_text(), re.MULTILINE)
    (tmp_path / "watcher.yaml").write_text("sources: [{type: webhook}]\n")
    command = [sys.executable, "-m", "watcher", "run", "-c", str(tmp_path / "watcher.yaml")]
    assert str(subprocess.run(command, check=False, capture_output=True, timeout=60).returncode) in prevented.split()


def test_the_unit_leaves_the_service_little_to_break(unit: Path) -> None:
    """The exposure that systemd computes stays at or below MAX_EXPOSURE."""
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={MAX_EXPOSURE * 10:.0f}", unit)
    assert done.returncode == 0, done.stdout.splitlines()[-1]
