"""By what way the news of a sender come: a webhook, a queue, a broker. What of `watcher init` depends on that.

`init_texts/DIALECT.txt` tells what to do for the usual way. For another it is `init_texts/any.TYPE.txt`, if that is a queue that
anybody can write to, and then `init_texts/DIALECT.TYPE.txt`, if the sender has a way of its own. `{{event}}` is
`init_texts/DIALECT.json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from watcher.cli.init_dialects import SETUPS, Setup
from watcher.model.errors import ConfigurationError

_TEXTS = resources.files("watcher.cli").joinpath("init_texts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """`source` are the fields of the source, `keeps` what it holds for a watcher that is away. `dialect` suits it best.

    `relays` can post on what a sender posts, whose headers it has as `headers`. `send` is the command that puts an event into it,
    and `order` says when.
    """

    dialect: str
    source: str
    keeps: str
    relays: str
    headers: str
    send: str
    order: str = "The sender then writes"


QUEUES: Mapping[str, Queue] = {
    "sqs": Queue(
        dialect="ecr",
        source='queue_url: "https://sqs.{{region}}.{{domain}}/{{account}}/registry-watcher"',
        keeps="What has come into the queue waits there for 14 days.",
        relays="an API Gateway with SQS-SendMessage, a function",
        headers="message attributes",
        send="aws sqs send-message --region {{region}} \\\n"
        "  --queue-url https://sqs.{{region}}.{{domain}}/{{account}}/registry-watcher \\\n"
        "  --message-body '{{event}}'",
    ),
    "pubsub": Queue(
        dialect="gar",
        source="subscription: projects/my-project/subscriptions/registry-watcher",
        keeps="The subscription keeps everything for 7 days.",
        relays="a function",
        headers="attributes",
        send="gcloud pubsub topics publish registry-watcher --project my-project --message '{{event}}'",
    ),
    "mqtt": Queue(
        order="After step 2, because a broker keeps nothing for whom it does not know, the sender writes",
        dialect="cloudevents",
        source='host: {{broker}}, port: {{port}}, topic: registry/push, username: watcher, password: "env:MQTT_PASSWORD"',
        keeps="The broker keeps for 7 days what is published with QoS 1 while the watcher is away.",
        relays="a bridge, a small program",
        headers="user properties",
        send="mosquitto_pub -V mqttv5 -h {{broker}} -p {{port}}{{tls}} -u sender -P PASSWORD \\\n"
        "  -t registry/push -q 1 -m '{{event}}'",
    ),
}
# What the clouds' own webhooks repeat.
_REPEATED = {
    ("ecr", "webhook"): "SNS tries for half an hour; then an event is lost.",
    ("gar", "webhook"): "The subscription tries for 7 days.",
}
# Whose events say in headers what they are.
_IN_HEADERS = frozenset({"zot"})


def chosen_dialect(dialect: str | None, told: str | None, type_: str | None, *, has_registry: bool) -> str:
    """The dialect that was asked for, that the host tells, or that suits the way: of a host that tells none, CloudEvents."""
    if dialect or told:
        return dialect or told or ""
    queue = QUEUES.get(type_ or "")
    if queue is None:
        return "distribution"
    return "cloudevents" if has_registry else queue.dialect


def chosen_type(dialect: str, type_: str | None) -> str:
    """The type of source that was asked for, or the usual one of this sender.

    Raises:
        ConfigurationError: nothing carries this sender's events there.
    """
    setup = SETUPS[dialect]
    if type_ is None or type_ in setup.types:
        return type_ or setup.types[0]
    raise ConfigurationError(
        f"--type {type_}: {setup.name} ({dialect}) does not come that way, but by --type {' or '.join(setup.types)};"
        " a script that tells of its images does: --dialect cloudevents"
    )


def source_of(setup: Setup, type_: str) -> str:
    """The fields of the source, in YAML's flow style, with placeholders."""
    fields = setup.auth if type_ == "webhook" else QUEUES[type_].source
    return ", ".join(filter(None, (setup.fields, fields)))


def has_own_secret(setup: Setup, type_: str) -> bool:
    """Whether sender and watcher share a secret that `watcher init` makes up."""
    return type_ == "mqtt" or (type_ == "webhook" and "HOOK_SECRET" in setup.auth)


def losses_of(dialect: str, type_: str) -> Sequence[str]:
    """What no event will tell, and what is kept meanwhile, in sentences."""
    setup = SETUPS[dialect]
    kept = QUEUES[type_].keeps if type_ in QUEUES else _REPEATED.get((dialect, type_), "")
    return [each for each in (setup.loses, kept) if each]


def text_of(dialect: str, type_: str) -> str:
    """What to do at the other side, with placeholders."""
    setup, own = SETUPS[dialect], f"{dialect}.{type_}.txt"
    if type_ == setup.types[0]:
        text = _read(f"{dialect}.txt")
    elif type_ in setup.writes or type_ == "webhook":
        text = _read(f"any.{type_}.txt") if type_ in QUEUES else ""
        text += _read(own) if _TEXTS.joinpath(own).is_file() else _writing(QUEUES[type_])
    else:
        text = _read(f"any.{type_}.txt") + _passing_on(dialect, QUEUES[type_])
    event = f"{dialect}.json"
    return text.replace("{{event}}", _read(event).rstrip("\n")) if _TEXTS.joinpath(event).is_file() else text


def filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _writing(queue: Queue) -> str:
    return f"# {queue.order} an event into each message;\n# whoever may write is believed:\n{queue.send}\n"


def _passing_on(dialect: str, queue: Queue) -> str:
    with_headers = f", and its headers ce-* as {queue.headers}" if dialect in _IN_HEADERS else ""
    return (
        f"# This sender only posts by HTTP. Let what takes its posts ({queue.relays})\n"
        f"# check who it is, because whoever may write is believed, and pass each body on as it is{with_headers}.\n"
    )


def _read(name: str) -> str:
    return _TEXTS.joinpath(name).read_text(encoding="utf-8")
