"""`watcher doctor` as a shell sees it: which registries are looked at, what is printed, and how it ends."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from watcher.cli.doctor_registry import asked_for, blocks
from watcher.model.errors import InvalidReferenceError
from watcher.model.quarantine import Measure
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.registry_kind import RegistryKind
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.registry.probe_choice import Wanted
from watcher.registry.settings import RegistrySettings
from watcher.settings import Settings
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry
from watcher.testing.tokens import Access

pytestmark = pytest.mark.enable_socket

APP = RepositoryName("team/app")


@pytest.fixture(autouse=True)
def docker_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own docker configuration plays no part."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def image(registry: MemoryRegistry) -> str:
    put_image(registry, APP, build_image([build_layer({"a": "b"})]), "v1")
    return f"{registry.host}/{APP}"


def test_a_registry_that_nobody_configured(watcher: Run, image: str, registry: MemoryRegistry) -> None:
    """One line for each step, without a blank at its end; 0 when all is well."""
    ended = watcher("doctor", image)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert f"ok\tregistry\t{registry.host}\thead\tv1 is sha256:" in ended.out
    assert lines[-1] == "14 ok, 1 skipped"
    assert [line for line in lines if line != line.rstrip()] == []
    assert {line.split()[0] for line in lines[:-1]} == {"ok", "skipped"}


def test_a_step_that_fails_is_told_by_the_exit_code(watcher: Run, image: str) -> None:
    """What to do stands behind it, on the same line."""
    ended = watcher("doctor", f"{image}:v2")
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if line.startswith("failed") and "\thead\t" in line]
    assert "answered 404" in line
    assert line.split("\t")[5].startswith("see whether it is there")


def test_every_configured_registry_in_its_order(watcher: Run, image: str, registry: MemoryRegistry, tmp_path: Path) -> None:
    """And those that only a source names; one object a step for other programs."""
    (tmp_path / "watcher.yaml").write_text(
        f"""
store: {{url: "sqlite:///{tmp_path}/watcher.db"}}
registries: [{{host: nosuch.invalid}}]
sources: [{{type: webhook, dialect: distribution, registry: "{registry.host}", auth: {{type: none}}}}]
publish: [{{type: referrer}}]
"""
    )
    ended = watcher("doctor", "-o", "json")
    assert ended.code == 1
    steps = [json.loads(line) for line in ended.out.splitlines()]
    assert {tuple(step) for step in steps} == {("area", "name", "step", "result", "detail", "advice")}
    names = [step["name"] for step in steps if step["area"] == "registry"]
    assert list(dict.fromkeys(names)) == ["nosuch.invalid", registry.host]
    found = {(step["name"], step["step"]): step for step in steps}
    assert found["nosuch.invalid", "dns"]["result"] == "failed"
    assert found["nosuch.invalid", "connect"]["result"] == "skipped"
    assert found[registry.host, "push"]["result"] == "ok"
    assert "experimental" not in found[registry.host, "block"]["detail"]
    assert image.endswith(APP)


def test_without_a_configuration_something_has_to_be_named(watcher: Run) -> None:
    """Else there is nothing to look at."""
    ended = watcher("doctor")
    assert ended.code == 2
    assert "no configuration" in ended.err


@pytest.mark.parametrize(
    ("text", "host", "wanted"),
    [
        ("registry.example.com", "registry.example.com", Wanted()),
        ("localhost:5000", "localhost:5000", Wanted()),
        ("127.0.0.1", "127.0.0.1", Wanted()),
        ("[::1]:5000", "[::1]:5000", Wanted()),
        ("inhouse:5000", "inhouse:5000", Wanted()),
        ("docker://ghcr.io/team/app", "ghcr.io", Wanted(repository=APP)),
        ("ubuntu", "docker.io", Wanted(repository=RepositoryName("library/ubuntu"))),
        ("ubuntu:22.04", "docker.io", Wanted(repository=RepositoryName("library/ubuntu"), reference=Tag("22.04"))),
        ("ghcr.io/team/app", "ghcr.io", Wanted(repository=APP)),
        ("ghcr.io/team/app:latest", "ghcr.io", Wanted(repository=APP, reference=Tag("latest"))),
    ],
)
def test_what_a_person_may_type(text: str, host: str, wanted: Wanted) -> None:
    """A host, a repository or an image; a name of Docker Hub is one as with docker."""
    found = asked_for(text, Settings(registries=(RegistrySettings(host="inhouse:5000"),)))
    assert (found.settings.registry, found.wanted) == (Host(host), wanted)


def test_what_is_no_name_at_all(watcher: Run) -> None:
    """It is a usage error."""
    assert watcher("doctor", "host.example.com/UPPER").code == 2
    with pytest.raises(InvalidReferenceError):
        asked_for("a b", Settings())


@pytest.mark.parametrize(
    ("kind", "actions", "result"),
    [
        ("harbor", (Measure.MARK, Measure.NATIVE), "warning"),
        ("distribution", (Measure.NATIVE,), "warning"),
        ("harbor", (Measure.NATIVE, Measure.UNPUBLISH), "ok"),
        ("acr", (Measure.NATIVE,), "ok"),
    ],
)
def test_quarantine_that_would_stop_nobody(kind: RegistryKind, actions: tuple[Measure, ...], result: str) -> None:
    """What is configured is held against what that kind of registry can do."""
    asked = QuarantinePublisherSettings(name="block", actions=actions)
    found = blocks(RegistrySettings(host="registry.example.com", kind=kind), [asked])
    assert found.result.value == result
    assert ("block stops no pull here" in found.advice) is (result == "warning")
    assert ("experimental" in found.detail) is (kind != "distribution")


def test_a_dry_run_need_not_push(watcher: Run, image: str, registry: MemoryRegistry, tmp_path: Path) -> None:
    """A quarantine that only says what it would do takes no permission; one in earnest does."""
    registry.gate.access, registry.gate.anonymous_pull = Access.TOKEN, True
    for dry_run, code in (("true", 0), ("false", 1)):
        (tmp_path / "watcher.yaml").write_text(f"publish: [{{type: quarantine, dry_run: {dry_run}}}]\n")
        assert watcher("doctor", image).code == code
