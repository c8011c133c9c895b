"""Whether a host that a payload names is the registry the source is bound to.

The name is compared and then forgotten: it is the client's `Host` header, nothing is ever dialled by it. A payload about another
registry must not become a verdict about this one.
"""

import ipaddress
from functools import lru_cache

from watcher.dialects.protocol import Delivery

ANY_HOST = "*"


def is_the_source(named: str, delivery: Delivery) -> bool:
    """Whether `named` (`host[:port]`, as it arrived) is the delivery's registry or one of its aliases.

    Ports are not compared: behind a proxy or a port mapping they differ for the same registry. All names of the local machine are
    one name.
    """
    if not delivery.registry or ANY_HOST in delivery.aliases:
        return True
    return _canonical(named) in _names(delivery.registry, delivery.aliases)


@lru_cache(maxsize=256)
def _names(registry: str, aliases: frozenset[str]) -> frozenset[str]:
    return frozenset(_canonical(known) for known in (registry, *aliases))


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
