"""`watcher init --print`: what is to be done at the other side, once more."""

import json
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Run
from watcher import settings as configuration

CONFIGURED = """\
server: {public_url: "https://w.example.com/"}
registries: [{host: quay.io}, {host: 210987654321.dkr.ecr.eu-central-1.amazonaws.com}]
sources:
- {name: own, type: webhook, dialect: distribution, registry: quay.io, auth: {type: bearer, secret: "file:/run/secrets/hook"}}
- {name: path, type: webhook, dialect: quay, registry: quay.io, auth: {type: path-token, secret: "env:PATH_TOKEN"}}
- {name: zot, type: webhook, dialect: zot, registry: quay.io, auth: {type: basic, username: registry, password: "env:ZOT"}}
- name: queue
  type: sqs
  dialect: ecr
  registry: 210987654321.dkr.ecr.eu-central-1.amazonaws.com
  queue_url: "https://sqs.eu-central-1.amazonaws.com/210987654321/pushes"
- {name: news, type: pubsub, dialect: gar, registry: quay.io, subscription: projects/our-project/subscriptions/pushes}
- name: bus
  type: mqtt
  dialect: cloudevents
  registry: quay.io
  host: mq.example.com
  topic: a/b
  username: watcher
  password: "env:MQ"
- {name: sweep, type: sweep, registry: quay.io, repositories: [a/b]}
"""


@pytest.fixture
def texts(watcher: Run) -> dict[str, str]:
    """By the name of the source, and nothing was written."""
    Path("watcher.yaml").write_text(CONFIGURED)
    ended = watcher("init", "--print", "-o", "json")
    assert (ended.code, ended.err) == (0, "")
    assert [path.name for path in Path().iterdir()] == ["watcher.yaml"]
    assert Path("watcher.yaml").read_text() == CONFIGURED
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert "{{" not in ended.out
    return {each["source"]: each["text"] for each in told}


def test_each_source_that_somebody_writes_to_has_its_text(texts: dict[str, str]) -> None:
    """In the order of the file; a sweep has no other side."""
    assert list(texts) == ["own", "path", "zot", "queue", "news", "bus"]


def test_a_secret_is_its_reference(texts: dict[str, str]) -> None:
    """Whose value goes there is said first; none is made up or read."""
    block = yaml.safe_load(texts["own"])
    (endpoint,) = block["notifications"]["endpoints"]
    assert endpoint["headers"]["Authorization"] == ["Bearer <file:/run/secrets/hook>"]
    assert endpoint["url"] == "https://w.example.com/hooks/own"
    assert texts["own"].startswith("# <file:/run/secrets/hook> is to be the value that file:/run/secrets/hook refers to.\n")
    assert "https://w.example.com/hooks/path/<env:PATH_TOKEN>" in texts["path"]
    assert '{"username": "registry", "password": "<env:ZOT>"}' in texts["zot"]


def test_a_queue_is_the_one_that_is_configured(texts: dict[str, str]) -> None:
    """Its region, account, project, broker and name."""
    assert "create-queue --region eu-central-1 --queue-name pushes" in texts["queue"]
    assert "arn:aws:sqs:eu-central-1:210987654321:pushes" in texts["queue"]
    assert "gcloud pubsub subscriptions create pushes --project our-project --topic gcr" in texts["news"]
    assert "my-project" not in texts["news"]
    assert "topic read a/b" in texts["bus"]
    assert "mosquitto_pub -V mqttv5 -h mq.example.com" in texts["bus"]


def test_what_init_wrote_is_printed_as_init_printed_it(watcher: Run) -> None:
    """But for the secret, which init alone knew."""
    first = watcher("init", "--registry", "registry.example.com")
    secret = first.out.split("HOOK_SECRET=")[1].split()[0]
    again = watcher("init", "--print")
    block = first.out.split("# 2.")[0].replace(secret, "<env:HOOK_SECRET>").strip()
    assert block in again.out
    assert "http://10.0.0.1/hooks/distribution" in watcher("init", "--print", "--url", "http://10.0.0.1").out


PROOFS = """\
server: {public_url: "https://w.example.com"}
registries: [{host: quay.io}]
sources:
- {name: mine, type: webhook, dialect: distribution, registry: quay.io, auth: {type: bearer, secret: "env:S", header: X-Mine}}
- {name: basic, type: webhook, dialect: distribution, registry: quay.io, auth: {type: basic, username: u, password: "env:S"}}
- {name: none, type: webhook, dialect: distribution, registry: quay.io, auth: {type: none}}
- {name: code, type: webhook, dialect: quay, registry: quay.io, auth: {type: bearer, secret: "env:S", query: code}}
- {name: user, type: webhook, dialect: quay, registry: quay.io, auth: {type: basic, username: "a b", password: "env:S"}}
- {name: harbor, type: webhook, dialect: harbor, registry: quay.io, auth: {type: bearer, secret: "env:S", header: X-Mine}}
- {name: signed, type: webhook, dialect: cloudevents, registry: quay.io, auth: {type: hmac, secret: "env:S"}}
- name: push
  type: webhook
  dialect: gar
  registry: quay.io
  auth: {type: oidc, audience: ours, email: my-watcher-push@my-project-1.iam.gserviceaccount.com}
- name: proxied
  type: sqs
  dialect: ecr
  registry: proxy.example.com
  queue_url: "https://sqs.cn-north-1.amazonaws.com.cn/210987654321/pushes"
- {name: local, type: sqs, dialect: ecr, registry: proxy.example.com, queue_url: "http://localhost:4566/000000000000/q"}
- name: further
  type: webhook
  dialect: ecr
  registry: proxy.example.com
  auth: {type: sns, topics: ["arn:aws:sns:eu-west-3:210987654321:pushed"]}
"""


@pytest.fixture
def proofs(watcher: Run) -> dict[str, str]:
    Path("watcher.yaml").write_text(PROOFS)
    ended = watcher("init", "--print", "-o", "json")
    assert (ended.code, ended.err) == (0, "")
    assert "{{" not in ended.out
    return {each["source"]: each["text"] for each in map(json.loads, ended.out.splitlines())}


def test_a_sender_is_to_prove_itself_as_the_source_wants_it(proofs: dict[str, str]) -> None:
    """By the header, parameter, user, audience and account that the source has."""
    (endpoint,) = yaml.safe_load(proofs["mine"])["notifications"]["endpoints"]
    assert endpoint["headers"] == {"X-Mine": ["Bearer <env:S>"]}
    assert "\nhttps://w.example.com/hooks/code?code=<env:S>\n" in proofs["code"]
    assert "\nhttps://a%20b:<env:S>@w.example.com/hooks/user\n" in proofs["user"]
    assert "--push-auth-token-audience ours " in proofs["push"]
    assert "--push-auth-service-account my-watcher-push@my-project-1.iam.gserviceaccount.com\n" in proofs["push"]
    assert "service-accounts create my-watcher-push --project my-project-1\n" in proofs["push"]
    assert "in place of" not in proofs["push"]


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("basic", "to https://w.example.com/hooks/basic as the user `u` with the password <env:S>;"),
        ("none", "to https://w.example.com/hooks/none without any proof of who it is;"),
        ("harbor", "to https://w.example.com/hooks/harbor with the header `X-Mine: Bearer <env:S>` ("),
        ("signed", "to https://w.example.com/hooks/signed what it signs with <env:S> in the header `X-Signature` ("),
    ],
)
def test_a_proof_that_the_text_is_not_for_is_told_in_a_sentence(proofs: dict[str, str], source: str, how: str) -> None:
    """Lines to copy would be of another proof, and be answered 401."""
    (sentence,) = [line for line in proofs[source].splitlines() if " is to be the value " not in line]
    assert f"is to post {how}" in sentence


def test_what_tells_an_account_is_believed(proofs: dict[str, str]) -> None:
    """Behind a proxy the queue or the topic does; where nothing does that is said, and the others are printed."""
    assert "create-queue --region cn-north-1 --queue-name pushes" in proofs["proxied"]
    assert "arn:aws-cn:sqs:cn-north-1:210987654321:pushes" in proofs["proxied"]
    assert proofs["local"].startswith("# sources[9].registry: proxy.example.com tells neither account nor region")
    assert "arn:aws:sns:eu-west-3:210987654321:pushed" in proofs["further"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--registry", "a.example"), "--print: the configuration says which registry"),
        (("--url", "nowhere"), "--url nowhere: expected http://HOST"),
    ],
)
def test_what_cannot_be_meant_is_refused(watcher: Run, arguments: tuple[str, ...], said: str) -> None:
    Path("watcher.yaml").write_text(CONFIGURED)
    ended = watcher("init", "--print", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"watcher: {said}")


def test_without_a_sender_there_is_nothing_to_print(watcher: Run) -> None:
    assert watcher("init", "--print").err.startswith("watcher: no configuration")
    Path("watcher.yaml").write_text("sources: []\n")
    ended = watcher("init", "--print")
    assert (ended.code, ended.err.split(";")[0]) == (2, "watcher: watcher.yaml: no source that a sender writes to")


def test_editors_find_the_schema(watcher: Run) -> None:
    """Beside the file, of this version; one that is there is left alone."""
    assert watcher("init").code == 0
    first = Path("watcher.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=watcher.schema.json"
    assert json.loads(Path("watcher.schema.json").read_text()) == json.loads(json.dumps(configuration.schema()))
    Path("watcher.yaml").unlink()
    Path("watcher.schema.json").write_text("mine")
    again = watcher("init")
    assert again.code == 0
    assert Path("watcher.schema.json").read_text() == "mine"
    assert "watcher.schema.json beside it was there and stays as it is; `watcher config schema` prints" in again.err
