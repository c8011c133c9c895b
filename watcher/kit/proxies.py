"""Which proxy a request goes through: decided as programs in Go do it, which people of registries know from docker and skopeo.

Spec: golang.org/x/net/http/httpproxy. Nothing else says what these variables mean, and every library reads them its own way.
"""

import base64
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from yarl import URL

from watcher.kit.secret import Secret
from watcher.model.errors import ConfigurationError
from watcher.model.reference import is_this_machine

# What a CGI server makes of a request's header `Proxy`: whoever sends one would choose our proxy.
_OF_CGI = "HTTP_PROXY"
# As it is dialled: other letters have become ASCII.
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """`url` has neither user nor path; `authorization` is what `Proxy-Authorization` is to say."""

    url: URL
    authorization: Secret | None = None

    @property
    def name(self) -> str:
        """Host and port, for people."""
        return f"{self.url.host_subcomponent}:{self.url.port}"


def parse_proxy(text: str, where: str) -> Proxy:
    """`[http://][USER:PASSWORD@]HOST[:PORT]`.

    Raises:
        ConfigurationError: says `where` it is written and not what, which may hold a password.
    """
    try:
        url = URL(text if "://" in text else f"http://{text}")
        port, host = url.port, url.raw_host
    except ValueError:
        url, port, host = URL(), None, None
    if url.scheme.startswith("socks"):
        raise ConfigurationError(f"{where}: SOCKS is not spoken here; name a proxy of HTTP, http://HOST:PORT")
    if url.scheme == "https":
        raise ConfigurationError(f"{where}: a proxy is not spoken to in TLS here; name one of plain HTTP, http://HOST:PORT")
    if url.scheme != "http" or not host or not port or not (_HOST.fullmatch(host) or _address(host)):
        raise ConfigurationError(f"{where}: is no URL of a proxy, http://HOST:PORT")
    authorization = None
    if url.user is not None:
        pair = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
        authorization = Secret(f"Basic {pair}")
    return Proxy(url=url.origin(), authorization=authorization)


class Proxies:
    """The proxies for `http` and `https` URLs, and what goes past them."""

    def __init__(self, *, http: Proxy | None = None, https: Proxy | None = None, bypass: "Bypass | None" = None) -> None:
        self._by_scheme = {"http": http, "https": https}
        self._bypass = bypass

    @classmethod
    def always(cls, proxy: Proxy | None) -> Self:
        """This one for everything, or none at all."""
        return cls(http=proxy, https=proxy)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, each also in lower case; `ALL_PROXY` is not read, as in Go.

        Raises:
            ConfigurationError: one names what is no proxy, or one that we cannot speak to.
        """
        variables = os.environ if environment is None else environment
        found = {}
        for scheme in ("http", "https"):
            names = [f"{scheme.upper()}_PROXY", f"{scheme}_proxy"]
            if "REQUEST_METHOD" in variables:
                names = [name for name in names if name != _OF_CGI]
            name = next((name for name in names if variables.get(name)), None)
            found[scheme] = parse_proxy(variables[name], name) if name is not None else None
        bypass = Bypass((variables.get("NO_PROXY") or variables.get("no_proxy") or "").split(","))
        return cls(http=found["http"], https=found["https"], bypass=bypass)

    def of(self, url: URL) -> Proxy | None:
        """Through which one this is to be requested; None is directly."""
        proxy = self._by_scheme.get(url.scheme)
        if proxy is None or (self._bypass is not None and self._bypass.has(url.raw_host or "", url.port or 0)):
            return None
        return proxy


class Bypass:
    """What never goes through the environment's proxies: this machine, and what `NO_PROXY` lists."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._all = False
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._addresses: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, str]] = []
        self._domains: list[tuple[str, bool, str]] = []
        for entry in entries:
            self._add(entry.strip().lower())

    def has(self, host: str, port: int) -> bool:
        name = host.lower().rstrip(".")
        if name.endswith(".localhost") or is_this_machine(name) or self._all:
            return True
        address = _address(name)
        if address is not None:
            if any(address.version == network.version and address in network for network in self._networks):
                return True
            return any(address == other and of in {"", str(port)} for other, of in self._addresses)
        return any(
            of in {"", str(port)} and (name.endswith(domain) or (itself and name == domain[1:]))
            for domain, itself, of in self._domains
        )

    def _add(self, entry: str) -> None:
        if entry == "*":
            self._all = True
            return
        if "/" in entry:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                return
            return
        host, port = _split(entry)
        address = _address(host)
        if address is not None:
            self._addresses.append((address, port))
            return
        # `example.com` is the domain and what is below it, `.example.com` and `*.example.com` are only what is below.
        host = host.removeprefix("*")
        if host.strip("."):
            self._domains.append((f".{host.lstrip('.')}", not host.startswith("."), port))


def _split(entry: str) -> tuple[str, str]:
    """Host and port; an IPv6 address has its port, if any, behind brackets."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = entry.partition(":")
    return (entry, "") if ":" in port else (host, port)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
