"""Whose an image is."""

from dataclasses import replace

import pytest

from tests.doubles.inventories import an_inventory
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.model.reference import RepositoryName
from watcher.pipeline.owners import OwnedImages, OwnerSettings, owned
from watcher.store.protocol import Judged

SETTINGS = OwnerSettings(map=(OwnedImages(name="payments", images=("registry.example.com/pay/**",)),), label="com.example.team")


def labelled(team: str | None, repository: str = "team/app") -> Judged:
    inventory = an_inventory()
    labels = {} if team is None else {"com.example.team": team}
    inventory = replace(inventory, config=replace(inventory.config, labels=labels))
    return Judged(verdict=a_verdict(subject=replace(SUBJECT, repository=RepositoryName(repository))), inventory=inventory)


def owner(*judged: Judged, settings: OwnerSettings = SETTINGS) -> str:
    return owned(judged, settings)[-1].verdict.owner


def test_the_map_is_believed_before_a_label() -> None:
    """Anybody who builds an image can write its labels: no image leaves the operator's map by one."""
    assert owner(labelled("somebody-else", "pay/cards")) == "payments"


def test_a_label_names_the_owner_of_what_nobody_mapped() -> None:
    assert owner(labelled("search")) == "search"
    assert owner(labelled("search"), settings=OwnerSettings()) == ""
    assert owner(labelled(None)) == ""


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "x" * 101])
def test_a_label_that_is_no_name_names_nobody(name: str) -> None:
    assert owner(labelled(name)) == ""


def test_an_index_is_that_of_its_images_where_they_agree() -> None:
    """Its own manifest has no labels."""
    index = Judged(verdict=a_verdict())
    assert owner(labelled("search"), labelled("search"), index) == "search"
    assert owner(labelled("search"), labelled("chat"), index) == ""
    assert owner(labelled("search"), labelled(None), index) == ""


def test_what_could_not_be_inspected_is_owned_by_its_name() -> None:
    subject = replace(SUBJECT, repository=RepositoryName("pay/cards"))
    assert owner(Judged(verdict=a_verdict(subject=subject))) == "payments"
