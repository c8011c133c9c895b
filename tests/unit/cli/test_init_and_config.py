import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from watcher.cli import app
from watcher.cli.app import watcher
from watcher.model.errors import ConfigurationError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of this machine is read or written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOOK_SECRET", "hush-hush")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(watcher, arguments, catch_exceptions=True)


def test_init_writes_what_config_check_accepts(tmp_path: Path) -> None:
    """The shortest useful file is valid, and the registry's block is YAML with the secret that the watcher is to be given."""
    done = invoke("init", "--registry", "registry.example.com:5000")
    assert done.exit_code == 0
    checked = invoke("config", "check")
    assert checked.exit_code == 0
    assert "1 registry, 1 source, 1 publisher" in checked.output
    assert "  referrer: referrer, told of pass, warn, fail, unknown\n" in checked.output
    block = yaml.safe_load(done.stdout.split("# 2.")[0])
    (endpoint,) = block["notifications"]["endpoints"]
    secret = done.stdout.split("HOOK_SECRET=")[1].split()[0]
    assert endpoint["headers"]["Authorization"] == [f"Bearer {secret}"]
    assert secret not in (tmp_path / "watcher.yaml").read_text()


def test_init_leaves_a_file_alone(tmp_path: Path) -> None:
    """What somebody wrote is not overwritten."""
    (tmp_path / "watcher.yaml").write_text("registries: []\n")
    done = invoke("init")
    assert isinstance(done.exception, ConfigurationError)
    assert (tmp_path / "watcher.yaml").read_text() == "registries: []\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "registries: [{host: a.example, pasword: x}]\n",
            "watcher.yaml:1:32: registries[0].pasword: there is no key 'pasword' here; did you mean 'auth.password'?",
        ),
        ("registries: []\nregistries: []\n", "watcher.yaml:2:1: duplicate key 'registries'"),
        ("registries: [{host: 'a b'}]\n", "watcher.yaml:1:"),
        ("registries: [{host: a.example}, {host: A.example}]\n", "listed twice"),
        ("sources: [{type: webhook, dialect: distribution}]\n", "watcher.yaml:1:11: sources[0]: `auth` is missing"),
        ("sources: [{type: webhook, dialect: distribution, auth: {type: none}}]\n", "exactly one registry"),
        ("registries: [{host: a.example}]\nsources: [{type: webhook, dialect: x, auth: {type: none}}]\n", "no dialect 'x'"),
        (
            "registries: []\nsources: [{type: webhook, dialect: generic, auth: {type: none}, mapping: {image: $..a}}]\n",
            "watcher.yaml:2:82: sources[0].mapping.image: '$..a' at character 2",
        ),
        (
            (
                "registries: [{host: a.example}]\n"
                "sources: [{type: webhook, further_registries: [b.example, A.example], auth: {type: none}}]\n"
            ),
            "watcher.yaml:2:11: sources[0]: a registry is named twice",
        ),
        (
            (
                "registries: [{host: a.example}]\n"
                "sources: [{type: webhook, further_registries: [b.example], aliases: ['*'], auth: {type: none}}]\n"
            ),
            'watcher.yaml:2:11: sources[0]: aliases "*"',
        ),
        (
            "registries: [{host: a.example}]\nsources: [{type: webhook, name: reevaluation, auth: {type: none}}]\n",
            "watcher.yaml:2:11: sources[0]: 'reevaluation' is nobody's name",
        ),
        ("publish: [{type: log}, {type: log}]\n", "two publishers are named 'log'"),
        ("inspection: {timeout: 30}\n", 'watcher.yaml:1:23: inspection.timeout: 30 has no unit; write "30s" or "10m"'),
        ("inspection: {timeout: 0s}\n", "watcher.yaml:1:23: inspection.timeout: 0s is nothing"),
        ("inspection: {max_layer: 0MiB}\n", "watcher.yaml:1:25: inspection.max_layer: 0MiB is nothing"),
        ("server: {max_body: 0B}\n", "watcher.yaml:1:20: server.max_body: 0B is nothing"),
        ("registries: [{host: a.example, timeout: 0.0s}]\n", "watcher.yaml:1:41: registries[0].timeout: 0.0s is nothing"),
        ("server: {host: 0.0.0.0}\n", "api_token must be set"),
        ("a: 1\n---\nb: 2\n", "one document is expected"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """File, line, column, and what is wrong."""
    (tmp_path / "watcher.yaml").write_text(text)
    done = invoke("config", "check")
    assert isinstance(done.exception, ConfigurationError)
    assert message in str(done.exception)


def test_the_option_stands_before_or_after_the_subcommand(tmp_path: Path) -> None:
    """Both orders are what somebody types."""
    (tmp_path / "other.yaml").write_text("registries: [{host: a.example}]\n")
    assert invoke("-c", "other.yaml", "config", "check").exit_code == 0
    assert invoke("config", "check", "-c", "other.yaml").exit_code == 0


def test_the_schema_is_a_json_schema() -> None:
    """Editors complete by it."""
    assert json.loads(invoke("config", "schema").output)["title"] == "Registry Watcher configuration"


def test_an_error_is_one_line_and_exit_code_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback for what an operator got wrong."""
    monkeypatch.setattr("sys.argv", ["watcher", "run"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("watcher: no configuration")


def test_every_command_shows_its_help() -> None:
    """Each module of the table exists and is a command."""
    for name in app.COMMANDS:
        done = invoke(name, "--help")
        assert done.exit_code == 0, name
        assert "Usage:" in done.output
