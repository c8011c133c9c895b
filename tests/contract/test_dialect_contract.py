"""What is true of every dialect, whoever sends."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.doubles.receiver import WrittenDialect
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery, Dialect
from watcher.model.push import Rejected
from watcher.model.reference import Host

# Those of the catalog, and the double, which understands nothing and so can be held to less.
ALL: Mapping[str, Dialect] = {**DIALECTS, "written": WrittenDialect()}
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(params=sorted(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


@pytest.fixture(params=sorted(ALL))
def any_dialect(request: pytest.FixtureRequest) -> Dialect:
    return ALL[request.param]


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_every_dialect_reads_a_push(name: str) -> None:
    """One that found something to reject in everything would pass the rest of this suite."""
    expected = json.loads((GOLDEN / name / "expected.json").read_bytes())
    assert "pushed" in {each["decision"] for decisions in expected.values() for each in decisions}


def delivery(body: bytes) -> Delivery:
    return Delivery(registry=Host("registry.example.com"), headers={}, body=body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>not json</html>", "invalid-json"),
        (b"", "invalid-json"),
        (b'{"a": NaN}', "non-finite-number"),
        (b'{"a": 1, "a": 2}', "duplicate-key"),
        (b"[" * 50_000 + b"]" * 50_000, "too-deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "too-deep"),
    ],
    ids=["html", "empty", "nan", "duplicate-key", "deep-lists", "deep-objects"],
)
def test_a_body_that_cannot_be_trusted_is_one_rejection(dialect: Dialect, body: bytes, reason: str) -> None:
    """Whatever the sender, a body that parsers disagree about is not read at all."""
    (decision,) = dialect.read(delivery(body))
    assert isinstance(decision, Rejected)
    assert decision.reason == reason


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, [[]], {"events": None}])
def test_json_of_any_shape_is_answered(any_dialect: Dialect, value: object) -> None:
    """Never nothing, never an exception."""
    assert any_dialect.read(delivery(json.dumps(value).encode()))


def test_the_same_delivery_is_decided_the_same_way_twice(any_dialect: Dialect) -> None:
    """A pure function: no state between deliveries."""
    body = json.dumps({"events": [{"id": "e", "action": "push", "target": {}}]}).encode()
    assert any_dialect.read(delivery(body)) == any_dialect.read(delivery(body))
