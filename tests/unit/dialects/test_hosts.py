"""Which of a source's registries a payload means."""

import json
from typing import Any

import pytest

from watcher.dialects.distribution import DistributionDialect
from watcher.dialects.hosts import registry_named
from watcher.dialects.protocol import Delivery
from watcher.model.push import Pushed, Rejected
from watcher.model.reference import Host

WEST, EAST = Host("eu-west.example.com"), Host("us-east.example.com:5000")


def delivery(body: bytes = b"", *, aliases: tuple[str, ...] = (), further: tuple[Host, ...] = (EAST,)) -> Delivery:
    return Delivery(registry=WEST, further=further, headers={}, body=body, aliases=frozenset(aliases))


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("eu-west.example.com", WEST),
        ("EU-WEST.example.com:443", WEST),
        ("us-east.example.com", EAST),
        ("us-east.example.com:5000", EAST),
        ("proxy.internal", WEST),
        ("elsewhere.example.com", None),
        ("", None),
    ],
)
def test_a_name_means_one_of_those_that_are_configured(named: str, meant: Host | None) -> None:
    """Or none: what a payload says is compared and then forgotten. An alias is another name of the source's `registry`."""
    assert registry_named(named, delivery(aliases=("proxy.internal",))) == meant


def test_ports_tell_apart_what_nothing_else_does() -> None:
    """Two registries on one machine; without a port nobody can say which of them is meant."""
    two = Delivery(registry=Host("localhost:5000"), further=(Host("localhost:5001"),), headers={}, body=b"")
    assert registry_named("localhost:5001", two) == "localhost:5001"
    assert registry_named("localhost", two) is None


def test_any_name_is_the_registrys_where_all_are_allowed() -> None:
    """Behind a proxy that writes what it likes."""
    assert registry_named("whatever", delivery(aliases=("*",), further=())) == WEST


def read(**request: Any) -> Any:
    target = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "a" * 64, "repository": "app"}
    event = {"id": "1", "action": "push", "target": target, **({"request": request} if request else {})}
    (decision,) = DistributionDialect().read(delivery(json.dumps({"events": [event]}).encode()))
    return decision


def test_a_push_is_to_the_registry_that_was_meant() -> None:
    """And to none where the event names none: of several nobody can say which it is."""
    decision = read(host="us-east.example.com")
    assert isinstance(decision, Pushed)
    assert decision.push.registry == EAST
    for refused, reason in ((read(host="elsewhere.example.com"), "host-mismatch"), (read(), "host-missing")):
        assert isinstance(refused, Rejected)
        assert refused.reason == reason
        assert EAST in refused.detail
