"""Where a request may be sent on to. Pure but for name resolution, and shared by the asynchronous client and the blob threads.

Redirects, upload locations and token realms are chosen by the other side; without these rules a registry could make us fetch
from the cloud's metadata service, from a neighbour, or hand our credentials to a stranger.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from yarl import URL

from watcher.model.errors import ForbiddenAddressError, RegistryUnavailableError
from watcher.registry.pipes import Address
from watcher.registry.settings import host_name, is_loopback

# Blob stores answer at the first hop, some content networks at the second; five is what browsers of the nineties allowed.
MAX_REDIRECTS = 5
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

# Second-level names under which countries register domains; with them the registrable domain has three labels.
_GENERIC_LABELS = frozenset({"ac", "co", "com", "edu", "gov", "net", "org", "gob", "gouv", "or", "ne", "go"})


class Zone(StrEnum):
    """What kind of network an address belongs to."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"  # where clouds put their metadata services
    UNUSABLE = "reserved"


def zone_of(address: str) -> Zone:
    """The zone of a literal address; IPv4 inside IPv6 (mapped, 6to4, NAT64) counts as the IPv4 it reaches.

    Raises:
        ValueError: not an address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in ipaddress.IPv6Network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return zone_of(str(inner))
    if ip.is_loopback:
        return Zone.LOOPBACK
    if ip.is_link_local:
        return Zone.LINK_LOCAL
    if ip.is_unspecified or ip.is_multicast or (ip.is_reserved and not ip.is_private):
        return Zone.UNUSABLE
    # 100.64.0.0/10 is neither private nor global in Python's eyes; one cloud has its metadata service there.
    return Zone.PUBLIC if ip.is_global else Zone.PRIVATE


@dataclass(slots=True, kw_only=True)
class Guard:
    """The addresses that may be connected to on behalf of one registry.

    The registry's own host is the operator's choice and always allowed; where it is decides what else is within reach.
    """

    own: URL
    private_redirects: bool = False
    own_zones: frozenset[Zone] = frozenset()

    def check(self, host: str, addresses: Sequence[str]) -> None:
        """Refuse a resolved host when any of its addresses is out of reach.

        Raises:
            ForbiddenAddressError: names the host and the zone, not the address, which may be nobody's business.
        """
        zones = frozenset(zone_of(address) for address in addresses)
        if host.lower() == (self.own.raw_host or ""):
            self.own_zones |= zones
            return
        refused = zones - self.allowed()
        if refused:
            kinds = ", ".join(sorted(refused))
            raise ForbiddenAddressError(f"{self.own.host}: sends us to {host}, a {kinds} address; see private_redirects")

    def check_literal(self, host: str) -> None:
        """The same for a host that is an address already, for which nothing is ever resolved; names pass."""
        try:
            zone_of(host)
        except ValueError:
            return
        self.check(host, [host])

    def allowed(self) -> frozenset[Zone]:
        own = self.own_zones or _literal_zones(self.own)
        zones = {Zone.PUBLIC}
        if own & {Zone.PRIVATE, Zone.LOOPBACK} or self.private_redirects:
            zones.add(Zone.PRIVATE)
        if Zone.LOOPBACK in own or self.private_redirects:
            zones.add(Zone.LOOPBACK)
        if Zone.LINK_LOCAL in own:
            zones.add(Zone.LINK_LOCAL)
        return frozenset(zones)

    def resolve(self, host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
        """Addresses to connect to, checked; blocking. What was checked is what is dialled, so no second answer slips in.

        Raises:
            ForbiddenAddressError, RegistryUnavailableError
        """
        addresses = addresses_of(host, port)
        self.check(host, [str(address[0]) for _, address in addresses])
        return addresses


def _literal_zones(url: URL) -> frozenset[Zone]:
    """What is known of a host for which nothing was resolved, and may never be."""
    if is_loopback(url.authority):
        return frozenset({Zone.LOOPBACK})
    try:
        return frozenset({zone_of(url.host or "")})
    except ValueError:
        return frozenset()


def addresses_of(host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
    """Addresses to connect to, unchecked; blocking. Raises RegistryUnavailableError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RegistryUnavailableError(f"{host}: the name cannot be resolved") from error
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request of a chain. `authorized` says whether our credentials may go with it."""

    url: URL
    authorized: bool


class StrayedError(RegistryUnavailableError):
    """Redirects that lead nowhere: in a circle, or without a `Location`. Whoever answers so says nothing of what was asked for."""


def asked(what: str, first: URL, url: URL) -> str:
    """A request as errors name it: `what` was asked of `first`, and who answers is at `url`, whose query may be signed."""
    return what if url.origin() == first.origin() else f"{what}, redirected to {url.authority}"


def next_hop(hop: Hop, location: str, guard: Guard) -> Hop:
    """Follow a `Location`, absolute or relative, as it was written: its query may be signed.

    Credentials stay with the origin they were meant for: another host, port or scheme never sees them, nor does the first
    origin again once the chain has left it.

    Raises:
        ForbiddenAddressError: not http(s), https to http, user information in the URL, or a literal address out of reach.

    Spec: OCI distribution-spec, "MUST NOT forward Authorization headers across host boundaries".
    """
    try:
        url = hop.url.join(URL(location, encoded=True))
        host, scheme = url.raw_host, url.scheme
        same = url.origin() == hop.url.origin()
    except (ValueError, TypeError) as error:
        raise ForbiddenAddressError(f"{hop.url.host}: redirects to something that is no URL") from error
    if scheme not in {"http", "https"} or not host or url.user is not None or not _is_clean(location):
        raise ForbiddenAddressError(f"{hop.url.host}: redirects to a URL that is not plain http or https")
    if hop.url.scheme == "https" and scheme == "http":
        raise ForbiddenAddressError(f"{hop.url.host}: redirects from https to http ({host})")
    if not same:
        guard.check_literal(host)
    return Hop(url=url, authorized=hop.authorized and same)


def followed(hop: Hop, status: int, location: str | None, guard: Guard, *, hops: int, what: str) -> Hop:
    """Where a redirect leads after so many `hops`; `what` is the request as `asked` names it.

    Raises:
        StrayedError: it says no `Location`, or there were MAX_REDIRECTS before it. ForbiddenAddressError: as `next_hop`.
    """
    if location is None:
        raise StrayedError(f"{what}: answered {status} without saying where to")
    if hops >= MAX_REDIRECTS:
        raise StrayedError(f"{what}: more than {MAX_REDIRECTS} redirects")
    return next_hop(hop, location, guard)


def check_realm(realm: str, registry: URL, *, shows: bool = True, token_hosts: Sequence[str] = ()) -> URL:
    """Whether a token service may be asked; over https, or over http when the registry itself is plain http.

    `shows`: it is shown this registry's credentials. Then it has to be on the registry's own host or registrable domain, on a
    loopback host for a loopback registry, or on `token_hosts`. To be asked without any it may be wherever `Guard` lets us go.

    Raises:
        ForbiddenAddressError: it may not.
    """
    try:
        url = URL(realm)
        host = (url.host or "").lower() if url.port else ""
    except ValueError as error:
        raise ForbiddenAddressError(f"{registry.host}: names a token service that is no URL") from error
    if not shows:
        token_hosts = (host,)
    if not host or url.user is not None or (url.scheme != "https" and not (url.scheme == "http" and registry.scheme == "http")):
        raise ForbiddenAddressError(f"{registry.host}: names a token service that is not https ({host or 'no host'})")
    own = (registry.host or "").lower()
    domain = registrable_domain(own)
    known = host == own or host in token_hosts or (is_loopback(host) and is_loopback(own))
    if not known and not (domain and (host == domain or host.endswith("." + domain))):
        way_out = "allow it with token_hosts, or ask without credentials: auth: {type: anonymous}"
        raise ForbiddenAddressError(f"{registry.host}: names the token service {host}, a stranger; {way_out}")
    return url


def registrable_domain(host: str) -> str | None:
    """The part of a host name that somebody registered; None for addresses and single labels.

    A guess without the public suffix list: two labels, three below country domains with generic second levels (`co.uk`).
    """
    try:
        ipaddress.ip_address(host_name(host))
    except ValueError:
        labels = host.rstrip(".").split(".")
        count = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _GENERIC_LABELS else 2
        return ".".join(labels[-count:]) if len(labels) >= count else None
    return None


def _is_clean(location: str) -> bool:
    """Nothing that could end a request line."""
    return all(" " < character < "\x7f" for character in location)
