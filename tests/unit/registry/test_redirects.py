"""Where a request may be sent on to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from watcher.model.errors import ForbiddenAddressError
from watcher.registry.redirects import Guard, Hop, Zone, check_realm, next_hop, registrable_domain, zone_of

PUBLIC = Guard(own=URL("https://registry.example.com"))
START = Hop(url=URL("https://registry.example.com/v2/a/blobs/x"), authorized=True)


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("93.184.216.34", Zone.PUBLIC),
        ("2606:2800:220:1::1", Zone.PUBLIC),
        ("10.1.2.3", Zone.PRIVATE),
        ("192.168.0.1", Zone.PRIVATE),
        ("100.100.100.200", Zone.PRIVATE),
        ("fd00:ec2::254", Zone.PRIVATE),
        ("127.0.0.1", Zone.LOOPBACK),
        ("::1", Zone.LOOPBACK),
        ("::ffff:127.0.0.1", Zone.LOOPBACK),
        ("169.254.169.254", Zone.LINK_LOCAL),
        ("::ffff:169.254.169.254", Zone.LINK_LOCAL),
        ("64:ff9b::a9fe:a9fe", Zone.LINK_LOCAL),
        ("2002:a9fe:a9fe::1", Zone.LINK_LOCAL),
        ("fe80::1%eth0", Zone.LINK_LOCAL),
        ("0.0.0.0", Zone.UNUSABLE),
        ("224.0.0.1", Zone.UNUSABLE),
    ],
)
def test_zones(address: str, zone: Zone) -> None:
    """An address is what it reaches, however it is written."""
    assert zone_of(address) is zone


def test_same_origin_keeps_the_credentials() -> None:
    """A relative redirect stays with the registry."""
    hop = next_hop(START, "/v2/b/blobs/x?y=%2F&z=a+b", PUBLIC)
    assert hop.authorized
    assert str(hop.url) == "https://registry.example.com/v2/b/blobs/x?y=%2F&z=a+b"


@pytest.mark.parametrize(
    "location",
    ["https://cdn.example.net/x", "//cdn.example.net/x", "https://registry.example.com:8443/x", "https://example.com/x"],
)
def test_another_origin_gets_no_credentials(location: str) -> None:
    """Another host, port or parent domain is a stranger."""
    assert not next_hop(START, location, PUBLIC).authorized


def test_credentials_do_not_come_back() -> None:
    """A chain that left the registry and returns to it is chosen by a stranger."""
    away = next_hop(START, "https://cdn.example.net/x", PUBLIC)
    assert not next_hop(away, "https://registry.example.com/v2/", PUBLIC).authorized


@pytest.mark.parametrize(
    "location",
    [
        "http://registry.example.com/x",
        "ftp://cdn.example.net/x",
        "file:///etc/passwd",
        "https://user:pw@cdn.example.net/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/x",
        "https://127.0.0.1/x",
        "https://cdn.example.net/x y",
        "https://cdn.example.net/\r\nHost: evil",
        "https://cdn.example.net:99999/x",
    ],
)
def test_forbidden_redirects(location: str) -> None:
    """Down to plain text, to other schemes, to user information and to addresses that are none of the public's."""
    with pytest.raises(ForbiddenAddressError):
        next_hop(START, location, PUBLIC)


@given(st.text(max_size=80))
def test_any_location_is_followed_or_refused(location: str) -> None:
    """No text in a Location makes anything but a hop or our error."""
    try:
        hop = next_hop(START, location, PUBLIC)
    except ForbiddenAddressError:
        return
    assert hop.url.scheme == "https"


@pytest.mark.parametrize(
    ("own", "setting", "target", "allowed"),
    [
        ("93.184.216.34", False, "10.0.0.1", False),
        ("93.184.216.34", True, "10.0.0.1", True),
        ("93.184.216.34", True, "127.0.0.1", True),
        ("93.184.216.34", True, "169.254.169.254", False),
        ("10.0.0.5", False, "10.0.0.1", True),
        ("10.0.0.5", False, "127.0.0.1", False),
        ("10.0.0.5", False, "169.254.169.254", False),
        ("127.0.0.1", False, "127.0.0.1", True),
        ("127.0.0.1", False, "10.0.0.1", True),
        ("127.0.0.1", True, "169.254.169.254", False),
        ("169.254.1.1", False, "169.254.169.254", True),
    ],
)
def test_reach_follows_the_registry(own: str, setting: bool, target: str, allowed: bool) -> None:
    """A private registry may keep its blobs in a private store; nothing but its own address opens the metadata service."""
    guard = Guard(own=URL("https://registry.example.com"), private_redirects=setting)
    guard.check("registry.example.com", [own])
    if allowed:
        guard.check("store.example.com", [target])
    else:
        with pytest.raises(ForbiddenAddressError, match=r"store\.example\.com"):
            guard.check("store.example.com", [target])


@pytest.mark.parametrize(
    ("own", "allowed"), [("10.0.0.1:5000", True), ("[fd00::1]:5000", True), ("93.184.216.34", False), ("reg", False)]
)
def test_a_registry_by_its_address_has_the_reach_of_it(own: str, allowed: bool) -> None:
    """Of an address nothing is ever resolved."""
    assert (Zone.PRIVATE in Guard(own=URL(f"http://{own}")).allowed()) is allowed


def test_one_bad_address_among_good_ones_is_enough() -> None:
    """A name that also resolves to a private address is refused, whichever would have been dialled."""
    with pytest.raises(ForbiddenAddressError):
        PUBLIC.check("store.example.com", ["93.184.216.34", "10.0.0.1"])


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("https://registry.example.com/token", "https://registry.example.com"),
        ("https://registry.example.com:8443/token", "https://registry.example.com"),
        ("https://auth.docker.io/token", "https://registry-1.docker.io"),
        ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com"),
        ("https://auth.corp.co.uk/token", "https://registry.corp.co.uk"),
        ("http://harbor/token", "http://harbor:5000"),
        ("http://127.0.0.1:5001/token", "http://127.0.0.1:5000"),
        ("http://localhost:5001/token", "http://127.0.0.1:5000"),
        ("https://login.example.org/token", "https://registry.example.com"),
    ],
)
def test_realms_that_may_see_credentials(realm: str, registry: str) -> None:
    """The registry's own domain, loopback for loopback, and what the operator names."""
    assert str(check_realm(realm, URL(registry), token_hosts=("login.example.org",))) == realm


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("https://evil.test/token", "https://registry.example.com"),
        ("https://evilexample.com/token", "https://registry.example.com"),
        ("https://example.com.evil.test/token", "https://registry.example.com"),
        ("https://evil.co.uk/token", "https://registry.corp.co.uk"),
        ("http://registry.example.com/token", "https://registry.example.com"),
        ("https://a:b@registry.example.com/token", "https://registry.example.com"),
        ("https://10.0.0.2/token", "https://10.0.0.1"),
        ("http://127.0.0.1/token", "http://10.0.0.1"),
        ("https://other/token", "https://harbor"),
        ("ftp://registry.example.com/", "http://registry.example.com"),
        ("/token", "https://registry.example.com"),
        ("", "https://registry.example.com"),
        ("https://[", "https://registry.example.com"),
    ],
)
def test_realms_that_are_strangers(realm: str, registry: str) -> None:
    """Credentials are not handed to whoever a challenge names."""
    with pytest.raises(ForbiddenAddressError):
        check_realm(realm, URL(registry))


def test_a_service_that_is_shown_nothing_may_be_anybody_s() -> None:
    """But is spoken to as privately as the registry itself, and by a URL."""
    registry = URL("https://registry.example.com")
    assert check_realm("https://tokens.example.net/t", registry, shows=False).host == "tokens.example.net"
    for realm in ("http://tokens.example.net/t", "https://a:b@tokens.example.net/t", "https://x:99999/t", "tokens", ""):
        with pytest.raises(ForbiddenAddressError):
            check_realm(realm, registry, shows=False)


def test_registrable_domain() -> None:
    """Two labels, three under countries' generic names; addresses and single labels have none."""
    assert registrable_domain("a.b.example.com") == "example.com"
    assert registrable_domain("a.example.co.uk") == "example.co.uk"
    assert registrable_domain("example.com") == "example.com"
    assert registrable_domain("localhost") is None
    assert registrable_domain("10.0.0.1") is None
