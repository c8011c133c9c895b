"""Whether a distribution is still supported, by the table that came along."""

from datetime import UTC, date, datetime

import pytest

from tests.unit.evaluation.conftest import Cases, Policies
from watcher.evaluation.document.lifecycles import Lifecycles, lifecycles
from watcher.model.inventory import Distro
from watcher.model.verdict import Outcome

TABLE = Lifecycles(
    as_of=date(2026, 8, 22),
    rolling=frozenset({"wolfi"}),
    ends={"alpine": {"3.18": date(2025, 5, 9)}, "rhel": {"9": date(2032, 5, 31), "7": date(2024, 6, 30)}, "ol": {"10": None}},
)
NOW = datetime(2025, 5, 9, 23, 59, tzinfo=UTC)
LATER = datetime(2025, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("distro", "version", "now", "over"),
    [
        ("alpine", "3.18.4", NOW, False),
        ("alpine", "3.18.4", LATER, True),
        ("alpine", "3.99.0", NOW, None),
        ("rhel", "9.4", NOW, False),
        ("rhel", "7.9", NOW, True),
        ("rhel", "", NOW, None),
        ("ol", "10.0", NOW, False),
        ("wolfi", "20230201", NOW, False),
        ("slackware", "15.0", NOW, None),
        ("", "", NOW, None),
    ],
)
def test_support_ends_after_its_last_day(distro: str, version: str, now: datetime, over: bool | None) -> None:
    """By the release, or the one that it is a part of; of what the table does not know nothing is said."""
    assert TABLE.is_over(Distro(id=distro, version=version), now) is over


def test_the_table_that_came_along_knows_what_images_are_made_of() -> None:
    """Among them Debian by the end of its long-term support, which everybody has."""
    table = lifecycles()
    asked = {"debian": "10", "ubuntu": "18.04", "alpine": "3.12.1", "centos": "7", "rhel": "6.10", "amzn": "2018.03"}
    then = datetime(2026, 8, 22, tzinfo=UTC)
    assert all(table.is_over(Distro(id=distro, version=version), then) for distro, version in asked.items())
    assert table.is_over(Distro(id="rocky", version="8.9"), then) is False
    assert table.ends["debian"]["12"] == date(2028, 6, 30)


@pytest.mark.parametrize(
    ("distro", "outcome"),
    [
        (Distro(id="debian", version="8", known=True), Outcome.FAIL),
        (Distro(id="wolfi", version="1", known=True), Outcome.PASS),
        (Distro(id="debian", version="99", known=True), Outcome.UNKNOWN),
    ],
)
def test_a_rule_may_ask_for_it(distro: Distro, outcome: Outcome, make_policies: Policies, make_case: Cases) -> None:
    """Where it is not known, the rule is undecided."""
    policies = make_policies("- {id: eol, when: distro.eol}")
    assert policies.evaluate(make_case(distro=distro)).outcome is outcome
