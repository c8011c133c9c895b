"""docs/reference/dialects.md: what each dialect carries, and how its sender behaves. `tools/reference.py` writes it.

What an event carries is measured on the payloads of `tests/golden`; everything else is what the code says of itself.
"""

import ast
import importlib
import inspect
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import msgspec

from watcher.cli.captured import read_deliveries
from watcher.cli.init_dialects import SETUPS
from watcher.cli.init_ways import losses_of
from watcher.dialects.catalog import DIALECTS, build_dialect
from watcher.dialects.generic import GenericMapping
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host
from watcher.sources.binding import EventSourceSettings
from watcher.sources.settings import AnySourceSettings
from watcher.sources.webhook_senders import SENDERS, Sender

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
NOT_PAYLOADS = frozenset({"expected.json", "mapping.json"})
# As a person calls them, in the order of the table.
FIELDS = {
    "registry": "host",
    "tag": "tag",
    "digest": "digest",
    "media_type": "media type",
    "actor": "actor",
    "occurred_at": "time",
    "event_id": "event id",
}
# How dialects call the headers that they read these from.
IN_HEADERS = {"event_id": ("ID_HEADER", "ID_HEADERS"), "occurred_at": ("TIME_HEADER",)}
# What every dialect uses; its words are told in http.md and not again for each.
SHARED = frozenset({"cloudevent", "fields", "hosts", "image_name", "protocol"})
INTRODUCTION = """\
# Dialects

A dialect is how one sender writes its events: `sources[].dialect`.
Any source that hears of events ({sources}) reads any of them; [Choose a source](../how-to/sources.md) says which suits which.
This page is written by `tools/reference.py` from the code and from the recorded payloads of `tests/golden`.

## What an event carries

Every push names a repository, and a tag or a digest, or both.
"some" is what not every recorded push has; what is empty, none has.

"""
EXPLANATION = """
- Without a host an event is about the source's `registry`; with one it has to be that, or one of its `aliases`.
- Without a digest the registry is asked for the tag, at once.
- Without an event id equal bodies are one delivery; without a time as well, those of the same ten minutes.

Below, the first of several ways to prove itself is the best one, and what the words of a decision mean is told in
[HTTP](http.md#hooks); those that any JSON, any CloudEvent and any name may earn are not repeated for each.
"""


def dialects_page() -> str:
    """The table of all, then a section for each."""
    names = sorted(DIALECTS)
    sources = ", ".join(f"`{tag}`" for tag in _source_tags())
    head = ["| dialect | sender | " + " | ".join(FIELDS.values()) + " |", "|---" * (len(FIELDS) + 2) + "|"]
    rows = [f"| [`{name}`](#{name}) | {SETUPS[name].name} | {' | '.join(_marks(name))} |" for name in names]
    table = "\n".join([*head, *rows]) + "\n"
    return INTRODUCTION.format(sources=sources) + table + EXPLANATION + "".join(_section(name) for name in names)


def carried(name: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What every push of a dialect names beside its repository, what only some name, and what none does."""
    marks = dict(zip(FIELDS.values(), _marks(name), strict=True))
    every, some, none = (tuple(f"its {field}" for field, mark in marks.items() if mark == wanted) for wanted in ("yes", "some", ""))
    return ("its repository", *every), some, none


def recorded(name: str) -> list[tuple[Delivery, Decision]]:
    """Every recorded payload, read as if nobody knew whose it is: then the host is what the payload says."""
    mapping_file = GOLDEN / name / "mapping.json"
    mapping = msgspec.json.decode(mapping_file.read_bytes(), type=GenericMapping) if mapping_file.exists() else None
    dialect = build_dialect(name, mapping)
    payloads = sorted(path for path in (GOLDEN / name).iterdir() if path.name not in NOT_PAYLOADS)
    deliveries = [delivery for path in payloads for delivery in read_deliveries(path, Host(""))]
    return [(delivery, decision) for delivery in deliveries for decision in dialect.read(delivery)]


def _source_tags() -> Iterator[str]:
    for settings in typing.get_args(AnySourceSettings):
        if issubclass(settings, EventSourceSettings):
            yield str(settings.__struct_config__.tag)


def _marks(name: str) -> list[str]:
    return [_mark(_pushes(name, field), field) for field in FIELDS]


def _mark(pushes: Sequence[Push], field: str) -> str:
    having = [push for push in pushes if getattr(push, field)]
    return "" if not having else "yes" if len(having) == len(pushes) else "some"


def _pushes(name: str, field: str) -> list[Push]:
    """Every recorded push that can have the field: one in a header is not in what was recorded without them."""
    pushes = [(bool(delivery.headers), each.push) for delivery, each in recorded(name) if isinstance(each, Pushed)]
    in_header = any(hasattr(_module(name), constant) for constant in IN_HEADERS.get(field, ()))
    whole = [push for has_headers, push in pushes if has_headers]
    return whole if in_header and whole else [push for _, push in pushes]


def _section(name: str) -> str:
    sender, setup, module = SENDERS[name], SETUPS[name], _module(name)
    first, links = _docstring(module)
    decisions = [decision for _, decision in recorded(name)]
    rows = {
        "a registry": f"`{setup.registry}`",
        "`watcher init` writes": f"a source of type `{setup.types[0]}`{_further(setup.types)}",
        "proves itself by": "; ".join(f"`{kind}`: {where}" for kind, where in sender.proofs.items()),
        "signs": _signature(sender),
        "is answered": _answer(sender),
        "shakes hands by": _handshake(sender, decisions),
        "refused (401)": sender.refused,
        "loses": " ".join(losses_of(name, setup.types[0])),
        "ignored as": _words(decisions, Ignored, _literals(module, {"Ignored"})),
        "rejected as": _words(decisions, Rejected, _literals(module, {"Rejected", "EventError"})),
        "doubted as": _words(decisions, Pushed, set()),
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items() if value)
    return f"\n## `{name}`\n\n{first}\n{links}\n| | |\n|---|---|\n{table}\n"


def _further(types: Sequence[str]) -> str:
    return f"; with `--type`, of {', '.join(f'`{each}`' for each in types[1:])}" if types[1:] else ""


def _module(name: str) -> ModuleType:
    return importlib.import_module(type(DIALECTS[name]).__module__)


def _docstring(module: ModuleType) -> tuple[str, str]:
    """Its first sentence, and the vendor's pages that it names."""
    text = inspect.getdoc(module) or ""
    links = [word.rstrip(".,") for word in text.split() if word.startswith("https://")]
    return text.split("\n")[0].removesuffix(" Pure."), "".join(f"Its sender's page: <{link}>\n" for link in links[:1])


def _signature(sender: Sender) -> str:
    if sender.signature is None:
        return ""
    headers = ", ".join(f"`{name}: {prefix}…`" for name, prefix in sender.signature.prefixes.items())
    own = ", or the header that `auth.header` names" if sender.signature.header_is_free else ""
    return f"HMAC-{sender.signature.algorithm.upper()} of the body, in hexadecimal digits: {headers}{own}"


def _answer(sender: Sender) -> str:
    success = f"{sender.status}, to {' '.join(f'`{each}`' for each in sorted(sender.methods))}"
    late = f"; 503 after {sender.waits_seconds:g} s, if nothing can be stored until then" if sender.waits_seconds else ""
    return f"{success}{late}{'; 415 in a format that is not read' if sender.refuses_formats else ''}"


def _handshake(sender: Sender, decisions: Sequence[Decision]) -> str:
    ways = ["`OPTIONS`"] if "OPTIONS" in sender.methods else []
    if any(isinstance(each, Handshake) and "WebHook-Allowed-Origin" not in each.headers for each in decisions):
        ways.append("an event of its own, which is answered 200")
    if sender.sends_sns:
        ways.append("a subscription of SNS, which is confirmed")
    return "; ".join(ways)


def _words(decisions: Sequence[Decision], kind: type[Decision], literal: set[str]) -> str:
    seen = {each.doubt if isinstance(each, Pushed) else each.reason for each in decisions if isinstance(each, kind)}  # type: ignore[union-attr]
    return " ".join(f"`{word}`" for word in sorted((seen | literal) - {""}))


def _literals(module: ModuleType, names: set[str]) -> set[str]:
    """The words that a dialect, and what it is made of, gives as reasons: `Ignored(reason="…")`, `EventError("…", …)`."""
    return {
        word.value
        for each in _parts(module)
        for call in ast.walk(ast.parse(inspect.getsource(each)))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names
        for word in [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "reason")]
        if isinstance(word, ast.Constant) and isinstance(word.value, str)
    }


def _parts(module: ModuleType) -> Iterator[ModuleType]:
    """The module and those of its room that it is made of."""
    yield module
    package = module.__name__.rpartition(".")[0]
    origins = {getattr(value, "__module__", "") for value in vars(module).values()}
    for name in sorted(origins - {module.__name__}):
        if name.rpartition(".")[0] == package and name.rpartition(".")[2] not in SHARED:
            yield sys.modules[name]
