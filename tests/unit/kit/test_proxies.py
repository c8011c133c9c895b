"""Which proxy a request goes through."""

import pytest
from yarl import URL

from watcher.kit.proxies import Proxies, parse_proxy
from watcher.model.errors import ConfigurationError

BOTH = {"HTTP_PROXY": "http://plain.test:3128", "HTTPS_PROXY": "secure.test:8080"}


def through(url: str, **more: str) -> str:
    """The proxy's name; empty for none."""
    proxy = Proxies.of_environment({**BOTH, **more}).of(URL(url))
    return proxy.name if proxy is not None else ""


def test_by_scheme_and_in_either_case() -> None:
    """Each scheme has its own; upper case comes first, what is empty does not count, and ALL_PROXY is not read."""
    assert through("http://registry.test/v2/") == "plain.test:3128"
    assert through("https://registry.test/v2/") == "secure.test:8080"
    assert through("https://a.test", HTTPS_PROXY="", https_proxy="low.test:1") == "low.test:1"
    assert through("https://a.test", https_proxy="low.test:1") == "secure.test:8080"
    assert Proxies.of_environment({"ALL_PROXY": "http://all.test"}).of(URL("https://a.test")) is None
    assert Proxies.of_environment({}).of(URL("https://a.test")) is None


@pytest.mark.parametrize("text", ["http://s3cr3t junk", "s3cr3t junk:3128", "http://a_%20b", "http://-a.test", "http://a,b"])
def test_what_is_no_host_is_no_proxy(text: str) -> None:
    """A secret that stands in its place would be asked of the resolver, and is not repeated."""
    with pytest.raises(ConfigurationError, match="here: is no URL of a proxy") as told:
        parse_proxy(text, "here")
    assert "s3cr3t" not in str(told.value)


@pytest.mark.parametrize("text", ["http://a_b.test", "b\u00fccher.test:3128", "192.0.2.1", "[2001:db8::1]:3128", "proxy.", "a"])
def test_what_is_a_host_is_one(text: str) -> None:
    assert parse_proxy(text, "").url.port


def test_a_header_chooses_no_proxy() -> None:
    """Under CGI `HTTP_PROXY` is what a client sent as the header `Proxy`; the others cannot be."""
    assert through("http://a.test", REQUEST_METHOD="GET") == ""
    assert through("http://a.test", REQUEST_METHOD="GET", http_proxy="low.test:1") == "low.test:1"
    assert through("https://a.test", REQUEST_METHOD="GET") == "secure.test:8080"


@pytest.mark.parametrize("url", ["http://localhost:5000", "http://a.localhost", "https://127.9.9.9", "https://[::1]:5000"])
def test_this_machine_never(url: str) -> None:
    """The environment's proxy would look for it on its own machine; one that is named for a registry is meant."""
    assert through(url) == ""
    assert Proxies.always(parse_proxy("http://p.test:1", "")).of(URL(url)) is not None


@pytest.mark.parametrize(
    ("listed", "direct", "proxied"),
    [
        ("*", ["https://a.test", "https://192.0.2.1"], []),
        ("a.test", ["https://a.test", "https://b.a.test", "https://A.TEST:444", "https://a.test./"], ["https://ba.test"]),
        (".a.test", ["https://b.a.test"], ["https://a.test"]),
        ("*.a.test", ["https://b.a.test"], ["https://a.test"]),
        (" A.test , c.test ", ["https://a.test", "https://c.test"], ["https://d.test"]),
        ("a.test:443", ["https://a.test"], ["https://a.test:444", "http://a.test"]),
        ("10.0.0.0/8", ["https://10.1.2.3", "https://[::ffff:10.1.2.3]"], ["https://11.1.2.3", "https://ten.test"]),
        ("10.1.2.3/8,fd00::/8", ["https://10.9.9.9", "https://[fd00::7]:5000"], ["https://[fe00::7]"]),
        ("192.0.2.1", ["https://192.0.2.1:5000"], ["https://192.0.2.11"]),
        ("192.0.2.1:5000,[2001:db8::1]:5000", ["https://192.0.2.1:5000", "https://[2001:db8::1]:5000"], ["https://192.0.2.1"]),
        ("2001:db8::1,[2001:db8::2]", ["https://[2001:DB8:0::1]", "https://[2001:db8::2]"], ["https://[2001:db8::3]"]),
        (",,.,*.,/,:80,1/2/3, ", [], ["https://a.test", "http://a.test:80", "https://1.2.3.4"]),
    ],
)
def test_no_proxy(listed: str, direct: list[str], proxied: list[str]) -> None:
    """Domains with what is below them, networks, addresses, each perhaps with a port; what is none of these is passed over."""
    for name in ("NO_PROXY", "no_proxy"):
        assert [url for url in [*direct, *proxied] if not through(url, **{name: listed})] == direct


def test_a_password_is_shown_to_the_proxy_alone() -> None:
    """It is decoded, sent as Basic, and in no text."""
    proxy = parse_proxy("http://user:p%40ss@proxy.test", "proxy")
    assert proxy.authorization is not None
    assert proxy.authorization.reveal() == "Basic dXNlcjpwQHNz"
    assert proxy.name == "proxy.test:80"
    assert "p@ss" not in repr(proxy) + str(proxy.url)
    assert "p%40ss" not in repr(proxy) + str(proxy.url)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("socks5://u:s3cret@proxy.test:1080", "SOCKS"),
        ("https://u:s3cret@proxy.test", "TLS"),
        ("ftp://u:s3cret@proxy.test", "no URL of a proxy"),
        ("http://u:s3cret@", "no URL of a proxy"),
        ("http://u:s3cret@proxy.test:s3cret", "no URL of a proxy"),
        ("http://", "no URL of a proxy"),
        ("http://[s3cret", "no URL of a proxy"),
    ],
)
def test_what_is_no_proxy(text: str, why: str) -> None:
    """The variable is named and what is wrong with it, and not what it holds."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        Proxies.of_environment({"HTTPS_PROXY": text})
    assert str(caught.value).startswith("HTTPS_PROXY: ")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
