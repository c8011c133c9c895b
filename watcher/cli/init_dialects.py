"""What `watcher init` knows of each sender: an example of its registry, the source that suits it, and what it loses.

What to do at the other side is told in `init_texts/DIALECT.txt`, with `{{registry}}`, `{{url}}`, `{{secret}}` and the like in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

_BEARER = 'auth: {type: bearer, secret: "env:HOOK_SECRET"}'
_HMAC = 'auth: {type: hmac, secret: "env:HOOK_SECRET"}'
_IN_URL = 'auth: {type: path-token, secret: "env:HOOK_SECRET"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """`registry` is the host unless one is given; `kind` is written down where it is certain and the host does not tell it.

    `source` are the fields of the source, in YAML's flow style, with placeholders. `loses` says what no event will ever tell, in
    a sentence; empty where the sender repeats itself until it is heard.
    """

    registry: str
    source: str = _BEARER
    type: str = "webhook"
    kind: str = ""
    loses: str = ""


_ONCE = "It sends each event once: what it sends while nobody listens is lost."
_BEST_EFFORT = "AWS sends these events on a best effort basis."
_POLLS = "Diun polls: a tag that moves twice between two visits was seen once."
_SILENT = "Whether it repeats what nobody heard is not documented."

SETUPS: Mapping[str, Setup] = {
    "acr": Setup(registry="myregistry.azurecr.io", kind="acr", loses=_ONCE),
    "alibaba": Setup(registry="registry.cn-hangzhou.aliyuncs.com", source=_IN_URL, loses=_SILENT),
    "artifactory": Setup(registry="example.jfrog.io", source=_HMAC, kind="artifactory", loses=_SILENT),
    "cdevents": Setup(registry="registry.example.com", loses="What is pushed past the pipeline is never told."),
    "cloudevents": Setup(registry="registry.example.com", loses="What is pushed past the sender is never told."),
    "distribution": Setup(registry="localhost:5000", loses="A restart of the registry loses what it has not delivered yet."),
    "diun": Setup(registry="docker.io", loses=_POLLS),
    "dockerhub": Setup(registry="docker.io", source=_IN_URL, kind="dockerhub", loses=_SILENT),
    "ecr": Setup(
        registry="123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        type="sqs",
        source='queue_url: "https://sqs.{{region}}.{{domain}}/{{account}}/registry-watcher"',
        kind="ecr",
        loses=_BEST_EFFORT,
    ),
    "eventgrid": Setup(registry="myregistry.azurecr.io", source=_IN_URL, kind="acr", loses="Azure gives up after a day."),
    "gar": Setup(
        registry="europe-docker.pkg.dev",
        type="pubsub",
        source="subscription: projects/my-project/subscriptions/registry-watcher",
        kind="gar",
    ),
    "generic": Setup(
        registry="registry.example.com",
        source=f'mapping: {{image: "$.image"}}, {_BEARER}',
        loses="What is pushed past the sender is never told.",
    ),
    "ghcr": Setup(registry="ghcr.io", source=_HMAC, kind="ghcr", loses=_ONCE),
    "gitea": Setup(registry="gitea.example.com", source=_HMAC, loses=_ONCE),
    "gitlab": Setup(registry="registry.gitlab.example.com", loses="A restart of the registry loses what it has not delivered yet."),
    "harbor": Setup(registry="harbor.example.com", kind="harbor", loses="Harbor gives up after three attempts."),
    "nexus": Setup(registry="nexus.example.com:8082", source=_HMAC, loses=_SILENT),
    "quay": Setup(registry="quay.io", source=_IN_URL, kind="quay", loses="Quay gives up after five attempts in two minutes."),
    "zot": Setup(
        registry="zot.example.com",
        source='auth: {type: basic, username: zot, password: "env:HOOK_SECRET"}',
        kind="zot",
        loses=_ONCE,
    ),
}


def text_of(dialect: str) -> str:
    """What to do at the other side, with placeholders."""
    return resources.files("watcher.cli").joinpath("init_texts", f"{dialect}.txt").read_text(encoding="utf-8")


def filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text
