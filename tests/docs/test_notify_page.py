"""What docs/how-to/notify.md shows is what there is."""

import re
import warnings
from pathlib import Path

import pytest

from tests.doubles.hostile_verdicts import a_verdict_with_findings
from watcher.publishing.message_layout import body_text, title_text
from watcher.publishing.message_markup import PLAIN
from watcher.publishing.verdict_message import verdict_message
from watcher.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "notify.md").read_text(encoding="utf-8")
# What an operator puts in the place of words in capitals, in the forms that the services give out.
GIVEN = {
    "INTEGRATIONKEY": "1" * 32,
    "APIKEY": "a" * 20,
    "WEBHOOKID": "123456",
    "CHATID": "12315544",
    "TOKEN": "abcdefghijklmnopqrstuvwxyz",
}
URLS = re.findall(r"`((?:https|[a-z]+)://[^`]+)`", PAGE.partition("## The URLs")[2].partition("Characters such as")[0])


def test_the_message_is_one() -> None:
    """Word by word."""
    message = verdict_message(a_verdict_with_findings(), link="https://watcher.example.com/api/v1/verdicts/v-1")
    shown = f"{title_text(message, most=500)}\n\n{body_text(message, PLAIN, most=5000)}"
    assert f"```text\n{shown}\n```" in PAGE


def test_every_configuration_can_be_loaded(tmp_path: Path) -> None:
    """As it stands."""
    first, second = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "watcher.yaml"
    path.write_text(first)
    assert [each.name for each in load(path).publish] == ["referrer", "chat"]
    path.write_text(second)
    assert [each.name for each in load(path).publish] == ["payments", "pager", "everybody-else"]


@pytest.mark.parametrize("url", URLS)
def test_every_url_is_one_that_apprise_can_read(url: str) -> None:
    """With what stands in capitals filled in."""
    from apprise import Apprise

    for word, given in GIVEN.items():
        url = url.replace(word, given)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        assert Apprise.instantiate(url) is not None


def test_the_table_has_urls() -> None:
    """Or nothing above would be tried."""
    assert len(URLS) == 8
