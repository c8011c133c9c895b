"""Which of the registries that a source is bound to a payload means.

The name is compared and then forgotten: it is the client's `Host` header, nothing is ever dialled by it. A payload about another
registry must not become a verdict about this one.
"""

import ipaddress
from functools import lru_cache

from watcher.dialects.protocol import Delivery
from watcher.model.reference import Host

ANY_HOST = "*"


def registry_named(named: str, delivery: Delivery) -> Host | None:
    """Which of the delivery's registries is meant by `named` (`host[:port]`, as it arrived); None for none of them.

    Ports are not compared: behind a proxy or a port mapping they differ for the same registry. They tell apart only two that
    have everything else in common. All names of the local machine are one name.
    """
    name = _canonical(named)
    found = [host for host in (delivery.registry, *delivery.further) if _canonical(host) == name]
    if len(found) > 1:
        found = [host for host in found if host == named.lower()]
    if found:
        return found[0]
    known = ANY_HOST in delivery.aliases or name in _names(delivery.aliases)
    return delivery.registry if known else None


@lru_cache(maxsize=256)
def _names(aliases: frozenset[str]) -> frozenset[str]:
    return frozenset(_canonical(known) for known in aliases)


# A registry is known by a handful of names; strangers cannot make this grow.
@lru_cache(maxsize=256)
def _canonical(host: str) -> str:
    """The name without its port, in one spelling."""
    name = host.lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") <= 1:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return "localhost"
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    return "localhost" if address.is_loopback else str(address)
