import msgspec
import pytest

from watcher.model.verdict import Outcome
from watcher.publishing.notify_settings import NotifyPublisherSettings
from watcher.publishing.settings import AnyPublisherSettings, WebhookPublisherSettings, one_by_one


def test_people_are_told_what_they_must_do_something_about_and_once() -> None:
    """Unless the configuration says otherwise."""
    settings = msgspec.convert({"type": "notify", "urls": ["env:SLACK_URL"]}, AnyPublisherSettings)
    assert isinstance(settings, NotifyPublisherSettings)
    assert (settings.name, settings.outcomes, settings.when) == ("notify", (Outcome.FAIL, Outcome.UNKNOWN), "changed")


def test_a_url_that_is_added_renames_none() -> None:
    """What waits in the outbox waits for a name."""
    two = NotifyPublisherSettings(name="chat", urls=("env:A", "env:B"), when="always")
    three = NotifyPublisherSettings(name="chat", urls=("env:A", "env:B", "env:C"), when="always")
    assert one_by_one(two) == one_by_one(three)[:2]
    assert [(each.name, each.urls, each.when) for each in three.apart()] == [
        ("chat", ("env:A",), "always"),
        ("chat-2", ("env:B",), "always"),
        ("chat-3", ("env:C",), "always"),
    ]


def test_another_entry_is_one_destination() -> None:
    """As it stands."""
    hook = WebhookPublisherSettings(url="https://example.com/")
    assert one_by_one(hook) == [hook]


@pytest.mark.parametrize(
    ("urls", "why"),
    [([], "length >= 1"), (["slack://T1/A1/SECRET"], "matching regex"), (["env:A", "env:A"], "listed twice")],
)
def test_what_cannot_be_meant_is_refused_without_a_secret(urls: list[str], why: str) -> None:
    """A URL that stands in the file itself is not repeated in the error."""
    with pytest.raises(msgspec.ValidationError, match=why) as caught:
        msgspec.convert({"type": "notify", "urls": urls}, AnyPublisherSettings)
    assert "SECRET" not in str(caught.value)
