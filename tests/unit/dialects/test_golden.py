"""Golden payloads: `tests/golden/DIALECT/*` beside `expected.json`, which says what each becomes, field by field.

A payload is a body (`*.json`, `*.txt`) or a whole request (`*.http.txt`). The names in `distribution` that begin with 2.8.2 were
recorded from a real docker-registry. `REGENERATE=1 pytest tests/unit/dialects/test_golden.py` writes every `expected.json` anew;
read the difference before it is committed. `python tools/reference.py` then writes anew what the pages say of them.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watcher.cli.captured import read_deliveries
from watcher.dialects.catalog import DIALECTS, build_dialect
from watcher.dialects.generic import GenericMapping
from watcher.dialects.protocol import Delivery, Dialect
from watcher.model.push import Decision
from watcher.model.reference import Host
from watcher.model.strict_json import JsonBodyError, read_json

GOLDEN = Path(__file__).parents[2] / "golden"
# What no sender writes into a field, and a program without types may: an object, a list in a list, a number.
STRANGE: tuple[Any, ...] = ({}, [[]], 7)
# The registry that a source of this dialect is bound to; without one a payload is believed about its own.
REGISTRIES = {"distribution": "127.0.0.1:18990"}
MAPPING = "mapping.json"
FEWEST = 3


def payloads(dialect: str) -> list[Path]:
    return sorted(path for path in (GOLDEN / dialect).iterdir() if path.name not in {"expected.json", MAPPING})


def plain(decision: Decision) -> Any:
    return {"decision": type(decision).__name__.lower(), **msgspec.to_builtins(decision)}


def without_detail(decision: Decision) -> Any:
    """A detail counts characters."""
    return {name: value for name, value in plain(decision).items() if name != "detail"}


def documents(dialect: str, registry: Host) -> list[tuple[Delivery, Any]]:
    """Every payload that is JSON, and its value; there is one at least."""
    found: list[tuple[Delivery, Any]] = []
    for delivery in (each for path in payloads(dialect) for each in read_deliveries(path, registry)):
        with suppress(JsonBodyError):
            found.append((delivery, read_json(delivery.body)))
    assert found
    return found


def altered(value: Any) -> Iterator[Any]:
    """The value once for each of its fields and each of STRANGE, which stands there instead."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, old in list(inner):
        for new in (*STRANGE, *altered(old)):
            changed = value.copy()
            changed[key] = new
            yield changed


def reader(dialect: str) -> Dialect:
    mapping_file = GOLDEN / dialect / MAPPING
    mapping = msgspec.json.decode(mapping_file.read_bytes(), type=GenericMapping) if mapping_file.exists() else None
    return build_dialect(dialect, mapping)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_payload_becomes_what_a_person_has_read(dialect: str) -> None:
    """Recorded and hand-made payloads, at least three of each dialect."""
    read, registry = reader(dialect).read, Host(REGISTRIES.get(dialect, ""))
    found = {
        path.name: [plain(each) for delivery in read_deliveries(path, registry) for each in read(delivery)]
        for path in payloads(dialect)
    }
    expected = GOLDEN / dialect / "expected.json"
    if "REGENERATE" in os.environ:
        expected.write_text(json.dumps(found, indent=2) + "\n")
    assert len(found) >= FEWEST
    assert found == json.loads(expected.read_text())


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_the_marks_of_a_text_editor_change_nothing(dialect: str) -> None:
    """A byte order mark before the JSON and Windows' ends of lines in it are no reason to lose a push."""
    read, registry = reader(dialect).read, Host(REGISTRIES.get(dialect, ""))
    for plainly, _ in documents(dialect, registry):
        marked = replace(plainly, body=b"\xef\xbb\xbf" + plainly.body.replace(b"\n", b"\r\n"))
        assert [without_detail(each) for each in read(marked)] == [without_detail(each) for each in read(plainly)]


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_field_of_another_kind_is_no_accident(dialect: str) -> None:
    """Whatever stands in it there are decisions, and no exception takes the event's neighbours with it."""
    read, registry = reader(dialect).read, Host(REGISTRIES.get(dialect, ""))
    for delivery, value in documents(dialect, registry):
        for body in altered(value):
            assert read(replace(delivery, body=msgspec.json.encode(body)))
