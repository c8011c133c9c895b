"""`watcher init --dialect NAME`: what is written follows from the registry, and what is printed can be pasted."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Run
from watcher.cli.init_dialects import SETUPS
from watcher.dialects.catalog import DIALECTS, build_dialect
from watcher.dialects.generic import GenericMapping
from watcher.dialects.protocol import Delivery
from watcher.model.push import Pushed
from watcher.model.reference import Host

TEXTS = Path(__file__).parents[3] / "watcher" / "cli" / "init_texts"


def test_every_dialect_can_be_set_up() -> None:
    """None is left out, and none is promised that there is not."""
    assert set(SETUPS) == set(DIALECTS)
    assert {path.stem for path in TEXTS.iterdir() if path.suffix == ".txt" and "." not in path.stem} == set(SETUPS)


@pytest.mark.parametrize("dialect", ["harbor", "quay", "ecr", "artifactory", "zot", "gitea", "cloudevents", "cdevents", "generic"])
def test_what_is_to_be_pasted_is_json(watcher: Run, dialect: str) -> None:
    """Every body of a command, and zot's block inside of its object."""
    printed = watcher("init", "--dialect", dialect).out
    bodies = re.findall(r"(?:-d|--attributes|--event-pattern) '(\{.*?\})'", printed, re.DOTALL)
    if dialect == "zot":
        bodies = ["{" + printed.partition("\n")[2].partition("\n\n")[0] + "}"]
    assert bodies
    for body in bodies:
        assert json.loads(body)


@pytest.mark.parametrize("dialect", ["cdevents", "cloudevents", "generic"])
def test_the_event_that_is_shown_is_a_push(watcher: Run, dialect: str) -> None:
    """Whoever sends it as it is printed gets a verdict on the image that it names."""
    printed = watcher("init", "--dialect", dialect).out
    (body,) = re.findall(r"-d '(.*?)'\n", printed, re.DOTALL)
    headers = {name.lower(): value for name, value in re.findall(r"-H '([\w-]+): ([^']*)'", printed)}
    delivery = Delivery(registry=Host("registry.example.com"), headers=headers, body=body.encode())
    (decision,) = build_dialect(dialect, GenericMapping(image="$.image")).read(delivery)
    assert isinstance(decision, Pushed)
    assert (decision.push.repository, decision.push.tag) == ("team/app", "v1")


@pytest.mark.parametrize("dialect", ["distribution", "diun"])
def test_what_goes_into_a_configuration_is_yaml(watcher: Run, dialect: str) -> None:
    """The block alone, without its comments."""
    assert yaml.safe_load(watcher("init", "--dialect", dialect).out.split("# 2.")[0])


def test_names_follow_from_the_registry(watcher: Run, tmp_path: Path) -> None:
    """Account, region and partition of a registry of ECR are in its host."""
    host = "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn"
    printed = watcher("init", "--dialect", "ecr", "--registry", host).out
    (source,) = yaml.safe_load((tmp_path / "watcher.yaml").read_text())["sources"]
    assert source["queue_url"] == "https://sqs.cn-north-1.amazonaws.com.cn/210987654321/registry-watcher"
    assert "arn:aws-cn:sqs:cn-north-1:210987654321:registry-watcher" in printed
    assert "--region cn-north-1" in printed


def test_the_kind_is_written_where_the_host_does_not_tell_it(watcher: Run, tmp_path: Path) -> None:
    """A Quay of one's own is one too; quay.io is known."""
    watcher("init", "--dialect", "quay", "--registry", "hub.example.com")
    assert yaml.safe_load((tmp_path / "watcher.yaml").read_text())["registries"] == [{"host": "hub.example.com", "kind": "quay"}]
    watcher("init", "--dialect", "quay", "-c", "other.yaml")
    assert yaml.safe_load((tmp_path / "other.yaml").read_text())["registries"] == [{"host": "quay.io"}]


@pytest.mark.parametrize(
    ("host", "dialect"),
    [
        ("ghcr.io", "ghcr"),
        ("acme.azurecr.io", "eventgrid"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr"),
        ("europe-docker.pkg.dev", "gar"),
        ("eu.gcr.io", "gar"),
        ("docker.io", "dockerhub"),
        ("quay.io", "quay"),
        ("acme.jfrog.io", "artifactory"),
        ("registry.cn-hangzhou.aliyuncs.com", "alibaba"),
        ("registry.gitlab.com", "cloudevents"),
        ("registry.example.com", "distribution"),
    ],
)
def test_a_well_known_host_tells_its_dialect(watcher: Run, tmp_path: Path, host: str, dialect: str) -> None:
    """For any other the others are named; who names one gets that."""
    ended = watcher("init", "--registry", host)
    (source,) = yaml.safe_load((tmp_path / "watcher.yaml").read_text())["sources"]
    assert source["dialect"] == dialect
    assert ("--dialect NAME: acr, alibaba," in ended.err) == (dialect == "distribution")
    watcher("init", "--registry", host, "--dialect", "generic", "-c", "other.yaml")
    (source,) = yaml.safe_load((tmp_path / "other.yaml").read_text())["sources"]
    assert source["dialect"] == "generic"


@pytest.mark.parametrize(("host", "repositories"), [("ghcr.io", ["my-org/app"]), ("quay.io", ["team/**"])])
def test_the_sweep_that_is_printed_can_run(watcher: Run, host: str, repositories: list[str]) -> None:
    """Who lists no repositories has them named one by one."""
    (sweep,) = re.findall(r"^# +(\{type: sweep, .*\})$", watcher("init", "--registry", host).out, re.MULTILINE)
    assert yaml.safe_load(sweep)["repositories"] == repositories


def test_the_address_of_the_watcher_is_what_is_asked_for(watcher: Run) -> None:
    """A token stands in the URL for senders that know nothing else."""
    printed = watcher("init", "--dialect", "dockerhub", "--url", "https://hooks.example.org/").out
    assert re.search(r"^https://hooks\.example\.org/hooks/dockerhub/\w{40,}$", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--dialect", "morse"), "--dialect morse: there are: acr, alibaba,"),
        (("--dialect", "ecr", "--registry", "public.ecr.aws"), "expected ACCOUNT.dkr.ecr.REGION.amazonaws.com"),
        (("--registry", "a b"), "not a valid host"),
        (("--url", "https://x/' ; rm -rf /"), "expected http://HOST[:PORT]"),
        (("--url", "watcher.example.com"), "expected http://HOST[:PORT]"),
    ],
)
def test_what_cannot_be_set_up_writes_nothing(watcher: Run, tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    """One line that says what was expected."""
    ended = watcher("init", *arguments)
    assert ended.code == 2
    assert complaint in ended.err
    assert list(tmp_path.iterdir()) == []
