"""Golden payloads: `tests/golden/DIALECT/*` beside `expected.json`, which says what each becomes, field by field.

A payload is a body (`*.json`, `*.txt`) or a whole request (`*.http.txt`). The names in `distribution` that begin with 2.8.2 were
recorded from a real docker-registry. `REGENERATE=1 pytest tests/unit/dialects/test_golden.py` writes every `expected.json` anew;
read the difference before it is committed.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watcher.cli.captured import read_deliveries
from watcher.dialects.catalog import DIALECTS, build_dialect
from watcher.dialects.generic import GenericMapping
from watcher.model.push import Decision
from watcher.model.reference import Host

GOLDEN = Path(__file__).parents[2] / "golden"
# The registry that a source of this dialect is bound to; without one a payload is believed about its own.
REGISTRIES = {"distribution": "127.0.0.1:18990"}
MAPPING = "mapping.json"
FEWEST = 3


def payloads(dialect: str) -> list[Path]:
    return sorted(path for path in (GOLDEN / dialect).iterdir() if path.name not in {"expected.json", MAPPING})


def plain(decision: Decision) -> Any:
    return {"decision": type(decision).__name__.lower(), **msgspec.to_builtins(decision)}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_payload_becomes_what_a_person_has_read(dialect: str) -> None:
    """Recorded and hand-made payloads, at least three of each dialect."""
    folder = GOLDEN / dialect
    mapping_file = folder / MAPPING
    mapping = msgspec.json.decode(mapping_file.read_bytes(), type=GenericMapping) if mapping_file.exists() else None
    reader, registry = build_dialect(dialect, mapping), Host(REGISTRIES.get(dialect, ""))
    found = {
        path.name: [plain(each) for delivery in read_deliveries(path, registry) for each in reader.read(delivery)]
        for path in payloads(dialect)
    }
    expected = folder / "expected.json"
    if "REGENERATE" in os.environ:
        expected.write_text(json.dumps(found, indent=2) + "\n")
    assert len(found) >= FEWEST
    assert found == json.loads(expected.read_text())
