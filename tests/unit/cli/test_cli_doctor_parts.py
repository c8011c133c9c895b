"""`watcher doctor` of a whole configuration: what the watcher has itself, its sources and its destinations."""

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.doubles.databases import open_database
from tests.unit.cli.conftest import Run
from watcher.cli.doctor_areas import Area, looked_at
from watcher.cli.doctor_output import Report
from watcher.kit.checkup import Checkup, Found
from watcher.model.reference import RepositoryName
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry
from watcher.testing.tokens import Access

pytestmark = pytest.mark.enable_socket

Steps = Mapping[tuple[str, str], Mapping[str, str]]
BEARER = {"type": "bearer", "secret": "env:HOOK_SECRET"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine plays a part; the secrets are there."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOOK_SECRET", "hush-hush")
    monkeypatch.setenv("CHAT", "json://127.0.0.1/hidden-path")


@pytest.fixture
def busy() -> Iterator[socket.socket]:
    """A port that somebody listens on who says nothing of use."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening


def looked(watcher: Run, port: int, *, code: int, **written: object) -> Steps:
    """Steps by (name, step), of a configuration that has `written` in it."""
    document = {"server": {"port": port}, "store": {"url": "sqlite:///watcher.db"}, **written}
    Path("watcher.yaml").write_text(yaml.safe_dump(document))
    ended = watcher("doctor", "-o", "json")
    assert (ended.code, ended.err) == (code, ""), ended.out
    assert "hush-hush" not in ended.out
    assert "hidden-path" not in ended.out
    steps = [json.loads(line) for line in ended.out.splitlines()]
    return {(step["name"], step["step"]): step for step in steps}


def test_a_configuration_before_its_first_run(watcher: Run, unused_tcp_port: int) -> None:
    """Nothing is made, and what is missing and needed is a warning."""
    steps = looked(watcher, unused_tcp_port, code=0)
    own = f"127.0.0.1:{unused_tcp_port}"
    assert steps[own, "server"]["detail"] == "no daemon runs; the port is free"
    assert "not there yet" in steps[own, "store"]["detail"]
    assert steps[own, "policies"]["detail"] == "baseline: they compile"
    assert steps[own, "advisories"]["result"] == "warning"
    assert steps[own, "advisories"]["advice"] == "run: watcher advisories update"
    assert sorted(path.name for path in Path().iterdir()) == ["watcher.yaml"]


def test_a_store_that_is_there(watcher: Run, unused_tcp_port: int, tmp_path: Path) -> None:
    """Its size is told, and one that is something else is not one."""

    async def make() -> None:
        async with open_database(tmp_path / "watcher.db"):
            pass

    asyncio.run(make())
    steps = looked(watcher, unused_tcp_port, code=0)
    assert "no verdict yet" in steps[f"127.0.0.1:{unused_tcp_port}", "store"]["detail"]
    (tmp_path / "watcher.db").write_bytes(b"something else entirely" * 400)
    steps = looked(watcher, unused_tcp_port, code=1)
    assert steps[f"127.0.0.1:{unused_tcp_port}", "store"]["result"] == "failed"


def test_a_port_that_somebody_else_has(watcher: Run, registry: MemoryRegistry, busy: socket.socket) -> None:
    """Whether that speaks HTTP or not."""
    port = int(str(registry.host).rpartition(":")[2])
    steps = looked(watcher, port, code=1)
    assert steps[f"127.0.0.1:{port}", "server"]["detail"] == f"something else listens on port {port}"
    assert "server.port" in steps[f"127.0.0.1:{port}", "server"]["advice"]
    assert busy.getsockname()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, b"[" * 200_000),
        (200, {}, b'"\xff"'),
        (200, {}, b'{"status": "ready"}' + b" " * 300_000),
        (200, {"Content-Encoding": "gzip"}, b"no gzip"),
        (307, {"Location": "/v2/"}, b'{"status": "ready"}'),
    ],
)
def test_a_port_that_says_anything(
    watcher: Run, registry: MemoryRegistry, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """What is deep, endless, no text or a redirect is not a daemon, and is followed nowhere."""
    registry.faults.add(Fault(path="/readyz", status=status, headers=headers, body=body))
    port = int(str(registry.host).rpartition(":")[2])
    steps = looked(watcher, port, code=1)
    assert steps[f"127.0.0.1:{port}", "server"]["detail"] == f"something else listens on port {port}"
    assert [each.path for each in registry.seen] == ["/readyz"]


async def test_a_mistake_of_ours_takes_no_other_area_along(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor what is raised between two steps."""

    async def mistaken() -> Checkup:
        raise KeyError("hush-hush")

    async def well() -> Checkup:
        checkup = Checkup()
        checkup.note("all", Found(detail="well"))
        return checkup

    report = Report(as_json=True)
    areas = [Area(kind="registry", name=name, look=look) for name, look in (("bad", mistaken), ("good", well))]
    for area in areas:
        report.show(area, await looked_at(area))
    shown = capsys.readouterr().out
    found = [json.loads(line) for line in shown.splitlines()]
    assert [(each["name"], each["result"]) for each in found] == [("bad", "failed"), ("good", "ok")]
    assert "KeyError" in found[0]["detail"]
    assert "hush-hush" not in shown


def test_policies_that_do_not_compile(watcher: Run, unused_tcp_port: int, tmp_path: Path) -> None:
    """The place of the mistake is told."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.yaml").write_text("kind: Policy\nname: mine\nrules: 7\n")
    steps = looked(watcher, unused_tcp_port, code=1, policies={"path": "policies"})
    found = steps[f"127.0.0.1:{unused_tcp_port}", "policies"]
    assert found["result"] == "failed"
    assert "mine.yaml" in found["detail"]


def test_certificates_of_the_server(watcher: Run, unused_tcp_port: int) -> None:
    """They are read as the daemon reads them."""
    server = {"port": unused_tcp_port, "tls": {"cert": "none.pem", "key": "none.pem"}}
    Path("watcher.yaml").write_text(yaml.safe_dump({"server": server}))
    ended = watcher("doctor")
    assert ended.code == 1
    assert "server.tls.cert: none.pem: cannot be read: No such file" in ended.out


def test_webhooks(watcher: Run, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each listens, whether its secret is there, and that one has none."""
    monkeypatch.delenv("NO_SECRET", raising=False)
    sources = [
        {"type": "webhook", "name": "good", "auth": BEARER},
        {"type": "webhook", "name": "open", "auth": {"type": "none"}},
        {"type": "webhook", "name": "bad", "auth": {"type": "bearer", "secret": "env:NO_SECRET"}},
    ]
    sources = [{**each, "dialect": "distribution", "registry": "nosuch.invalid"} for each in sources]
    steps = looked(watcher, unused_tcp_port, code=1, sources=sources)
    assert steps["good", "secret"]["detail"].endswith(f"it posts to http://127.0.0.1:{unused_tcp_port}/hooks/good")
    assert [steps[name, "secret"]["result"] for name in ("good", "open", "bad")] == ["ok", "warning", "failed"]
    assert "NO_SECRET is not set" in steps["bad", "secret"]["detail"]


def test_sweeps(watcher: Run, unused_tcp_port: int, registry: MemoryRegistry) -> None:
    """Whether the registry lists what they are to look through, or the permission that it takes."""
    put_image(registry, RepositoryName("team/app"), build_image([build_layer({"a": "b"})]), "v1")
    registries = [{"host": str(registry.host), "kind": "ecr"}]
    sources = [
        {"type": "sweep", "name": "all"},
        {"type": "sweep", "name": "named", "repositories": ["team/app"]},
        {"type": "sweep", "name": "misspelt", "repositories": ["team/ap"]},
    ]
    steps = looked(watcher, unused_tcp_port, code=0, registries=registries, sources=sources)
    assert "lists its repositories: team/app" in steps["all", "listing"]["detail"]
    assert "lists the tags of team/app: v1" in steps["named", "listing"]["detail"]
    assert steps["misspelt", "listing"]["result"] == "warning"
    registry.gate.access, registry.gate.anonymous_pull = Access.TOKEN, True
    steps = looked(watcher, unused_tcp_port, code=1, registries=registries, sources=sources)
    assert steps["all", "listing"]["result"] == "failed"
    advice = steps["all", "listing"]["advice"]
    assert advice == "name the repositories; or, to have them listed, it takes ecr:DescribeRepositories and ecr:ListImages"
    assert steps["named", "listing"]["result"] == "ok"


def test_destinations(watcher: Run, unused_tcp_port: int, registry: MemoryRegistry) -> None:
    """They are opened, and told nothing: who cannot be asked so is not tried."""
    publish = [
        {"type": "referrer"},
        {"type": "log"},
        {"type": "webhook", "name": "here", "url": f"{registry.url}/hook"},
        {"type": "webhook", "name": "gone", "url": f"http://127.0.0.1:{unused_tcp_port}/hook"},
        {"type": "notify", "name": "chat", "urls": ["env:CHAT"]},
    ]
    steps = looked(watcher, unused_tcp_port, code=1, publish=publish)
    results = {name: step["result"] for (name, which), step in steps.items() if which == "open"}
    assert results == {"referrer": "ok", "log": "ok", "here": "ok", "gone": "failed", "chat": "skipped"}
    assert steps["chat", "open"]["advice"] == "watcher notify test chat"
    assert registry.seen == type(registry.seen)(maxlen=registry.seen.maxlen)


def test_a_mirror_is_looked_at_and_not_written_to(watcher: Run, unused_tcp_port: int, registry: MemoryRegistry) -> None:
    """Its account needs only to pull."""
    put_image(registry, RepositoryName("team/app"), build_image([build_layer({"a": "b"})]), "v1")
    registry.gate.access, registry.gate.anonymous_pull = Access.TOKEN, True
    registries = [{"host": "nosuch.invalid", "mirrors": [f"{registry.host}/team"]}]
    steps = looked(watcher, unused_tcp_port, code=1, registries=registries, publish=[{"type": "referrer"}])
    assert steps[str(registry.host), "login"]["result"] == "ok"
    assert {step["result"] for (name, _), step in steps.items() if name == str(registry.host)} <= {"ok", "skipped"}
