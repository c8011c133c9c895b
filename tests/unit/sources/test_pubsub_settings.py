"""What a Pub/Sub source may be configured with."""

import msgspec
import pytest

from watcher.sources.pubsub_settings import PubsubSourceSettings

NEWS = "projects/p/subscriptions/news"


def read(text: str) -> PubsubSourceSettings:
    return msgspec.yaml.decode(text.encode(), type=PubsubSourceSettings)


def test_the_shortest_block_loads() -> None:
    """It has the defaults of everything but the subscription."""
    settings = read("{type: pubsub, dialect: gar, registry: europe-docker.pkg.dev, subscription: projects/p/subscriptions/s}")
    assert (settings.subscription, settings.endpoint, settings.max_messages) == ("projects/p/subscriptions/s", "", 500)


@pytest.mark.parametrize(
    "name", ["news", "p/subscriptions/news", "projects/p/topics/news", "projects//subscriptions/news", f"{NEWS}/", f"{NEWS}\n"]
)
def test_a_name_that_is_no_subscriptions_is_refused(name: str) -> None:
    """Whole names only: a project is never guessed."""
    with pytest.raises(ValueError, match="is not projects/PROJECT/subscriptions/NAME"):
        PubsubSourceSettings(subscription=name)


def test_a_project_of_a_domain_is_named_with_it() -> None:
    """As projects of former Google Apps domains are."""
    assert PubsubSourceSettings(subscription="projects/example.com:p/subscriptions/news").subscription


@pytest.mark.parametrize(
    "endpoint", ["https://pubsub.googleapis.com", "host/path", "user@host:1", "host:0", "host:70000", "host:port", "ho st"]
)
def test_an_endpoint_is_a_host_and_a_port(endpoint: str) -> None:
    """No scheme: whether TLS is spoken is not a matter of taste."""
    with pytest.raises(ValueError, match="is not HOST or HOST:PORT"):
        PubsubSourceSettings(subscription=NEWS, endpoint=endpoint)


@pytest.mark.parametrize(
    ("endpoint", "is_local"),
    [
        ("", False),
        ("europe-west3-pubsub.googleapis.com", False),
        ("localhost:8085", True),
        ("127.0.0.1:8085", True),
        ("[::1]:8085", True),
        ("localhost.example.com:8085", False),
        ("10.0.0.1:8085", False),
    ],
)
def test_only_this_machine_is_spoken_to_in_plain_text(endpoint: str, *, is_local: bool) -> None:
    """An emulator elsewhere has to have TLS."""
    assert PubsubSourceSettings(subscription=NEWS, endpoint=endpoint).is_local is is_local


def test_an_emulator_is_shown_no_credentials() -> None:
    """They would go over the wire in plain text."""
    with pytest.raises(ValueError, match="shown no credentials_file"):
        PubsubSourceSettings(subscription=NEWS, endpoint="localhost:8085", credentials_file="key.json")


@pytest.mark.parametrize("given", [{"max_messages": 0}, {"max_messages": 10_001}, {"timeout": "0s"}, {"max_payload": "0B"}])
def test_bounds_are_bounds(given: dict[str, str | int]) -> None:
    """Nothing is unlimited, and nothing is nothing."""
    with pytest.raises(ValueError, match=r"between|more than nothing"):
        msgspec.convert({"type": "pubsub", "subscription": NEWS, **given}, type=PubsubSourceSettings)
