"""`watcher init --type TYPE`: by what way the news of a sender come, and what to do there."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Run
from tools.dialects import recorded
from watcher import settings as configuration
from watcher.cli.init_dialects import SETUPS, TYPES
from watcher.cli.init_ways import QUEUES, text_of
from watcher.dialects.catalog import DIALECTS, build_dialect
from watcher.dialects.generic import GenericMapping
from watcher.dialects.protocol import Delivery
from watcher.model.push import Pushed
from watcher.model.reference import Host

WAYS = [(dialect, type_) for dialect in sorted(SETUPS) for type_ in SETUPS[dialect].types]
WRITTEN = [(dialect, type_) for dialect, type_ in WAYS if type_ in SETUPS[dialect].writes and (dialect, type_) != ("diun", "mqtt")]
UNFILLED = re.compile(r"\{\{\w+\}\}")


def commands(printed: str) -> list[list[str]]:
    """What a shell would run of it, each as its words."""
    lines = re.sub(r"^#.*\n|^export .*\n", "", printed.replace("\\\n", " "), flags=re.MULTILINE)
    starts = r"^(?:aws|gcloud|mosquitto_pub|mosquitto_passwd|touch|printf|chown) "
    return [shlex.split(found[0]) for found in re.finditer(starts + r"(?:[^'\n]|'[^']*')*$", lines, re.MULTILINE)]


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


@pytest.mark.parametrize(("dialect", "type_"), WAYS)
def test_every_way_writes_what_loads(watcher: Run, tmp_path: Path, dialect: str, type_: str) -> None:
    """One source of that type and dialect; the secret, if there is one, is in what is printed and not in the file."""
    ended = watcher("init", "--dialect", dialect, "--type", type_)
    assert ended.code == 0
    assert UNFILLED.search(ended.out) is None
    written = (tmp_path / "watcher.yaml").read_text()
    (source,) = yaml.safe_load(written)["sources"]
    assert (source["type"], source["dialect"]) == (type_, dialect)
    secrets = re.findall(r"^export (\w+)=(\w{40,})$", ended.out, re.MULTILINE)
    assert {f"env:{name}" for name, _ in secrets} == set(re.findall(r"env:\w+", written))
    for _, secret in secrets:
        assert secret in ended.out.split("# 2.")[0]
        assert secret not in written
    assert len(configuration.load(tmp_path / "watcher.yaml").sources) == 1
    can_be_run(ended.out, dialect, type_)


def can_be_run(printed: str, dialect: str, type_: str) -> None:
    """Every command is one for a shell, whose JSON is JSON, with policies inside of it; all but those fits a terminal."""
    assert [line for line in printed.splitlines() if len(line) > 140 and not line.startswith('  "Policy": ')] == []
    assert len(printed.splitlines()) < 50
    if type_ in QUEUES and (dialect, type_) != ("diun", "mqtt"):
        assert commands(printed)
    for words in commands(printed):
        for word in words:
            if word.startswith("{"):
                attributes = json.loads(word)
                assert all(json.loads(each) for name, each in attributes.items() if name.endswith("Policy"))


@pytest.mark.parametrize(("dialect", "type_"), WRITTEN)
def test_the_event_that_is_put_into_a_queue_is_a_push(watcher: Run, dialect: str, type_: str) -> None:
    """Whoever sends it as it is printed gets a verdict on the image that it names; the message needs nothing but its body."""
    sent = [
        words
        for words in commands(watcher("init", "--dialect", dialect, "--type", type_).out)
        if {"--message-body", "--message", "-m"} & {*words}
    ]
    (words,) = sent
    name = next(each for each in ("--message-body", "--message", "-m") if each in words)
    delivery = Delivery(registry=Host("registry.example.com"), headers={}, body=option(words, name).encode())
    (decision,) = build_dialect(dialect, GenericMapping(image="$.image")).read(delivery)
    assert isinstance(decision, Pushed)
    assert (decision.push.repository, decision.push.tag) == ("team/app", "v1")


@pytest.mark.parametrize(
    ("type_", "dialect"), [("webhook", "distribution"), ("sqs", "ecr"), ("pubsub", "gar"), ("mqtt", "cloudevents")]
)
def test_a_way_alone_tells_its_usual_sender(watcher: Run, tmp_path: Path, type_: str, dialect: str) -> None:
    """Of a host that is known, and of one that may be anything, the registry is what is watched."""
    watcher("init", "--type", type_)
    (source,) = yaml.safe_load((tmp_path / "watcher.yaml").read_text())["sources"]
    assert (source["type"], source["dialect"]) == (type_, dialect)
    watcher("init", "--type", type_, "--registry", "hub.example.com", "-c", "other.yaml")
    other = yaml.safe_load((tmp_path / "other.yaml").read_text())
    assert other["registries"] == [{"host": "hub.example.com"}]
    assert other["sources"][0]["dialect"] == ("distribution" if type_ == "webhook" else "cloudevents")


def test_without_a_way_it_is_the_usual_one(watcher: Run, tmp_path: Path) -> None:
    """The same file as if it had been named."""
    for dialect, setup in SETUPS.items():
        for name, arguments in (("a", ()), ("b", ("--type", setup.types[0]))):
            watcher("init", "--dialect", dialect, *arguments, "-c", f"{dialect}.{name}.yaml")
        assert (tmp_path / f"{dialect}.a.yaml").read_text() == (tmp_path / f"{dialect}.b.yaml").read_text()


@pytest.mark.parametrize(
    ("registry", "broker", "port"), [("localhost:5000", "localhost", 1883), ("harbor.example.com", "broker.example.com", 8883)]
)
def test_the_broker_of_a_registry_on_this_machine_is_there_too(
    watcher: Run, tmp_path: Path, registry: str, broker: str, port: int
) -> None:
    """Any other speaks TLS, to the watcher as to the sender."""
    printed = watcher("init", "--type", "mqtt", "--registry", registry).out
    (source,) = yaml.safe_load((tmp_path / "watcher.yaml").read_text())["sources"]
    assert (source["host"], source["port"]) == (broker, port)
    (publish,) = [words for words in commands(printed) if words[0] == "mosquitto_pub"]
    assert (option(publish, "-h"), option(publish, "-p"), "--tls-use-os-certs" in publish) == (broker, str(port), port == 8883)
    assert f"\nlistener {port}" in printed
    assert option(publish, "-t") == source["topic"]
    assert f"topic read {source['topic']}\\n" in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--type", "mqtt", "--dialect", "ecr"), "Amazon ECR (ecr) does not come that way, but by --type sqs or webhook"),
        (("--type", "sqs", "--registry", "europe-docker.pkg.dev"), "(gar) does not come that way, but by --type pubsub or webhook"),
        (("--type", "mqtt", "--dialect", "eventgrid"), "does not come that way, but by --type webhook"),
        (("--type", "sqs", "--url", "https://w.example.com"), "--url: nothing reaches the watcher by sqs"),
        (("--dialect", "gar", "--url", "https://w.example.com"), "--url: nothing reaches the watcher by pubsub"),
        (("--type", "pigeon"), "'pigeon' is not one of 'webhook', 'sqs', 'pubsub', 'mqtt'"),
    ],
)
def test_what_cannot_come_is_refused(watcher: Run, tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    """In a sentence that says what can; nothing is written."""
    ended = watcher("init", *arguments)
    assert ended.code == 2
    assert complaint in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dialect", [name for name in sorted(SETUPS) if SETUPS[name].types == TYPES and name != "generic"])
def test_what_passes_on_the_body_passes_on_the_event(dialect: str) -> None:
    """A push without its headers is the same push. Of a sender whose pushes mostly say in them what they are, it is said."""
    bare, kept = build_dialect(dialect, None), []
    for delivery, decision in recorded(dialect):
        if isinstance(decision, Pushed):
            without = bare.read(replace(delivery, headers={}))
            kept.append(decision.push.repository in [each.push.repository for each in without if isinstance(each, Pushed)])
            # What a bus handed over has its attributes there as well.
            assert kept[-1] or any(re.search(r"(?:^|-)ce-", name) for name in delivery.headers)
    assert (sum(kept) * 2 < len(kept)) == ("its headers ce-*" in text_of(dialect, "sqs"))


def test_texts_name_only_what_is_filled_in() -> None:
    """A placeholder with a slip in it would be printed as it is."""
    known = {"registry", "url", "secret", "user", "label", "file", "account", "region", "partition", "domain"}
    broker = {"broker", "port", "scheme", "tls", "listener"}
    for dialect, type_ in WAYS:
        names = set(re.findall(r"\{\{(\w+)\}\}", text_of(dialect, type_)))
        assert names <= known | (broker if type_ == "mqtt" else set()), (dialect, type_)


def test_every_dialect_is_there() -> None:
    """By a webhook at least, which is what senders have."""
    assert {dialect for dialect, type_ in WAYS if type_ == "webhook"} == set(DIALECTS)
    assert tuple(QUEUES) == TYPES[1:]
