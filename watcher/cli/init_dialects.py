"""What `watcher init` knows of each sender: an example of its registry, how it proves itself, what it loses.

What to do at the other side is told in `init_texts/DIALECT.txt`, with `{{registry}}`, `{{url}}`, `{{secret}}` and the like in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from watcher.model.reference import Host
from watcher.registry.settings import host_name, kind_of

_BEARER = 'auth: {type: bearer, secret: "env:HOOK_SECRET"}'
_HMAC = 'auth: {type: hmac, secret: "env:HOOK_SECRET"}'
_IN_URL = 'auth: {type: path-token, secret: "env:HOOK_SECRET"}'
# By what its news can come, if somebody passes on what it posts.
TYPES = ("webhook", "sqs", "pubsub", "mqtt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """`name` is how people call the sender. `registry` is the host unless one is given; `kind` is written down where it is certain
    and the host does not tell it.

    `types` are those of the sources by which its news can come, the usual one first. `auth` is how it proves itself to a webhook,
    and `fields` what its source needs beside, both in YAML's flow style with placeholders. `writes` are the types of queues that it
    can write to by itself. `user` is who it says that it is. `loses` says what no event will ever tell, in a sentence.
    """

    name: str
    registry: str
    loses: str
    auth: str = _BEARER
    fields: str = ""
    types: tuple[str, ...] = TYPES
    writes: frozenset[str] = frozenset()
    kind: str = ""
    user: str = ""


_ONCE = "It sends each event once: what it sends while nobody listens is lost."
_MEMORY = "It repeats an event until it is heard, and keeps the others in memory: a restart of the registry loses them."
_POLLS = "It polls: a tag that moves twice between two visits was seen once. What nobody heard is not repeated."
_SILENT = "Whether it repeats what nobody heard is not documented."
_SENDER = "What is pushed past the sender is never told."
_ANY_QUEUE = frozenset({"sqs", "pubsub", "mqtt"})

SETUPS: Mapping[str, Setup] = {
    "acr": Setup(name="Azure Container Registry, webhooks", registry="myregistry.azurecr.io", kind="acr", loses=_ONCE),
    "alibaba": Setup(
        name="Alibaba Cloud Container Registry", registry="registry.cn-hangzhou.aliyuncs.com", auth=_IN_URL, loses=_SILENT
    ),
    "artifactory": Setup(name="JFrog Artifactory", registry="example.jfrog.io", auth=_HMAC, kind="artifactory", loses=_SILENT),
    "cdevents": Setup(name="a pipeline with CDEvents", registry="registry.example.com", writes=_ANY_QUEUE, loses=_SENDER),
    "cloudevents": Setup(
        name="a script or bus with CloudEvents", registry="registry.example.com", writes=_ANY_QUEUE, loses=_SENDER
    ),
    "distribution": Setup(name="docker-registry (CNCF Distribution)", registry="localhost:5000", loses=_MEMORY),
    "diun": Setup(name="Diun, for registries that send nothing", registry="docker.io", writes=frozenset({"mqtt"}), loses=_POLLS),
    "dockerhub": Setup(name="Docker Hub", registry="docker.io", auth=_IN_URL, kind="dockerhub", loses=_SILENT),
    "ecr": Setup(
        name="Amazon ECR",
        registry="123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        types=("sqs", "webhook"),
        auth='auth: {type: sns, topics: ["arn:{{partition}}:sns:{{region}}:{{account}}:registry-watcher"]}',
        kind="ecr",
        loses="AWS sends these events on a best effort basis.",
    ),
    "eventgrid": Setup(
        name="Azure Container Registry, Event Grid",
        registry="myregistry.azurecr.io",
        types=("webhook",),
        auth=_IN_URL,
        kind="acr",
        loses="It tries for a day; then an event is lost.",
    ),
    "gar": Setup(
        name="Google Artifact Registry",
        registry="europe-docker.pkg.dev",
        types=("pubsub", "webhook"),
        auth='auth: {type: oidc, audience: "{{url}}", email: watcher-push@my-project.iam.gserviceaccount.com}',
        kind="gar",
        loses="What was pushed before the subscription was made is not told.",
    ),
    "generic": Setup(
        name="any sender of JSON",
        registry="registry.example.com",
        fields='mapping: {image: "$.image"}',
        writes=_ANY_QUEUE,
        loses=_SENDER,
    ),
    "ghcr": Setup(
        name="GitHub (ghcr.io)",
        registry="ghcr.io",
        auth=_HMAC,
        kind="ghcr",
        loses="It sends each event once, and for three days again when asked.",
    ),
    "gitea": Setup(name="Gitea or Forgejo", registry="gitea.example.com", auth=_HMAC, loses=_ONCE),
    "gitlab": Setup(
        name="GitLab, by its administrator",
        registry="registry.gitlab.example.com",
        loses="It drops an event after `maxretries` attempts, and a restart of the registry loses those that wait.",
    ),
    "harbor": Setup(
        name="Harbor", registry="harbor.example.com", kind="harbor", loses="It tries three times; then an event is lost."
    ),
    "nexus": Setup(name="Sonatype Nexus Repository", registry="nexus.example.com:8082", auth=_HMAC, loses=_SILENT),
    "quay": Setup(
        name="Quay",
        registry="quay.io",
        auth=_IN_URL,
        kind="quay",
        loses="It tries every 30 s; after three failures in a row it switches the notification off, and all that follows is lost.",
    ),
    "zot": Setup(
        name="zot",
        registry="zot.example.com",
        auth='auth: {type: basic, username: zot, password: "env:HOOK_SECRET"}',
        user="zot",
        kind="zot",
        loses=_ONCE,
    ),
}


# Where the dialect is not called as the kind is: Event Grid repeats itself, the registry's own webhooks do not.
_OF_KIND = {"acr": "eventgrid"}
_ALIBABA = ".aliyuncs.com"
# Only the administrator of an instance can have GitLab's registry tell of pushes; here the pipeline has to.
_GITLAB_COM = "registry.gitlab.com"


def dialect_of(host: Host) -> str | None:
    """The dialect that a well-known host's events are written in; None for a host that may be anything."""
    if host_name(host).endswith(_ALIBABA):
        return "alibaba"
    if host == _GITLAB_COM:
        return "cloudevents"
    kind = kind_of(host)
    return None if kind == "distribution" else _OF_KIND.get(kind, kind)
