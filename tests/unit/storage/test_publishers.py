"""How what is configured becomes routes and destinations."""

from datetime import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.doubles.verdicts import a_verdict
from watcher import settings as configuration
from watcher.model.errors import ConfigurationError
from watcher.model.publication import Window
from watcher.model.verdict import Outcome, Verdict
from watcher.pipeline.routing import publishers_of
from watcher.publishers import destinations_of, routes_of
from watcher.publishing.protocol import Progress
from watcher.settings import Settings

CHANNELS = """
publish:
  - {type: log, name: everything}
  - {type: log, name: payments, owners: [payments]}
  - {type: log, name: search, owners: [search, ranking]}
  - {type: log, name: rest, unowned: true}
  - {type: log, name: both, owners: [payments], unowned: true}
"""


class Silent:
    def __init__(self, name: str) -> None:
        self.name = name

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def publish(self, verdict: Verdict, progress: Progress) -> None: ...


class NoMarks:
    async def marks(self) -> dict[str, str]:
        return {}

    async def put_mark(self, name: str, value: str) -> None: ...


@pytest.fixture
def loaded(tmp_path: Path) -> "Loading":
    return Loading(tmp_path / "watcher.yaml")


class Loading:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, text: str) -> Settings:
        self.path.write_text(text)
        return configuration.load(self.path)


@pytest.mark.parametrize(
    ("owner", "hear"),
    [
        ("payments", ["everything", "payments", "both"]),
        ("ranking", ["everything", "search"]),
        ("", ["everything", "rest", "both"]),
        ("a label that names nobody", ["everything", "rest", "both"]),
    ],
)
def test_an_owner_is_told_and_nobodys_images_are_not_lost(loaded: Loading, owner: str, hear: list[str]) -> None:
    """A label is written by whoever builds the image: it may send news elsewhere, never nowhere."""
    assert publishers_of(routes_of(loaded(CHANNELS), ()), a_verdict(owner=owner), None) == hear


def test_a_filter_is_asked_and_one_that_errs_hides_nothing(loaded: Loading) -> None:
    """It is said in the log, once for each verdict."""
    settings = loaded("""
publish:
  - {type: log, name: production, filter: 'environment == "production"'}
  - {type: log, name: staging, filter: 'environment == "staging"'}
  - {type: log, name: broken, filter: 'findings[99].rule == ""'}
""")
    destinations = destinations_of(settings, {each.name: Silent(each.name) for each in settings.publish}, NoMarks())
    with capture_logs() as lines:
        unwanted = {name: each.unwanted(a_verdict(), None, perhaps_told=False) for name, each in destinations.items()}
    assert unwanted == {"production": None, "staging": "filtered", "broken": None}
    assert [(line["event"], line["publisher"]) for line in lines] == [("filter.failed", "broken")]


def test_a_filter_that_is_wrong_is_found_without_a_verdict(loaded: Loading) -> None:
    """With its place in the file, by `config check` too."""
    with pytest.raises(ConfigurationError, match=r"watcher\.yaml:3:.*filter: 1:1: undeclared reference to 'outcom'"):
        loaded("""publish:
  - {type: log}
  - {type: log, name: b, filter: 'outcom == "fail"'}
""")


def test_what_people_read_is_held_as_they_want_it(loaded: Loading) -> None:
    settings = loaded("""
publish:
  - type: notify
    urls: ["env:SLACK_URL"]
    window: 1m
    window_reevaluated: 10m
    per_hour: 5
    quiet_hours: 22:00-07:00
    quiet_days: [fri, sat]
    digest: "09:30"
    timezone: Europe/Berlin
""")
    holding = destinations_of(settings, {"notify": Silent("notify")}, NoMarks())["notify"].holding
    assert holding is not None
    assert holding.window == Window(pushed=60.0, reevaluated=600.0)
    assert (holding.per_hour, holding.digest, str(holding.zone)) == (5, time(9, 30), "Europe/Berlin")
    assert holding.quiet is not None
    assert (holding.quiet.begins, holding.quiet.ends, holding.quiet.days) == (time(22), time(7), frozenset({4, 5}))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("timezone: Europe/Nowhere", "Europe/Nowhere"),
        ("quiet_hours: 25:00-07:00", r"watcher\.yaml:1:\d+: publish\[0\]\.quiet_hours: what stands here does not match"),
        ('digest: "9:00"', r"watcher\.yaml:1:\d+: publish\[0\]\.digest: what stands here does not match"),
        ("window: 20m", "15m"),
        ("window_reevaluated: 16m", "15m"),
        ("per_hour: 0", "expected 1 at least, found 0"),
    ],
)
def test_times_that_cannot_be_are_refused(loaded: Loading, wrong: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        loaded(f'publish: [{{type: notify, urls: ["env:A"], {wrong}}}]')


def test_what_is_not_configured_is_told_everything(loaded: Loading) -> None:
    """Such as the terminal of the demonstration."""
    destination = destinations_of(loaded(""), {"terminal": Silent("terminal")}, NoMarks())["terminal"]
    assert (destination.in_registry, set(destination.outcomes), destination.holding) == (False, set(Outcome), None)
