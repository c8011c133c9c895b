"""docs/reference/dialects.md is written from the code; what it says there is true, and explained."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tools.dialects import dialects_page
from watcher.dialects.catalog import DIALECTS
from watcher.sources.webhook_senders import SENDERS
from watcher.sources.webhook_settings import WebhookSourceSettings

HTTP = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text()
PAGE = dialects_page()
HEAD, *ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.split("\n\n- ")[0].splitlines() if line[:1] == "|"]
# What each type of `auth` needs beside its name.
FIELDS: dict[str, dict[str, Any]] = {
    "basic": {"username": "watcher", "password": "env:SECRET"},
    "oidc": {"audience": "https://watcher.example.com", "email": "watcher@example.com"},
    "sns": {"topics": ["arn:aws:sns:eu-west-1:123456789012:events"]},
}


@pytest.mark.parametrize(
    ("dialect", "field", "mark"),
    [
        ("dockerhub", "digest", ""),
        ("dockerhub", "tag", "yes"),
        ("harbor", "digest", "yes"),
        ("harbor", "event id", "some"),
        ("ghcr", "event id", "yes"),
        ("gitlab", "tag", "some"),
        ("nexus", "host", ""),
        ("quay", "event id", ""),
        ("zot", "host", ""),
        ("zot", "digest", "yes"),
        ("gar", "digest", "some"),
    ],
)
def test_what_an_event_carries_is_what_recorded_pushes_have(dialect: str, field: str, mark: str) -> None:
    """All of them, some, or none."""
    rows = {row[0].partition("`]")[0].removeprefix("[`"): row for row in ROWS[1:]}
    assert rows.keys() == DIALECTS.keys()
    assert rows[dialect][HEAD.index(field)] == mark


@pytest.mark.parametrize(("dialect", "kind"), [(name, kind) for name, sender in SENDERS.items() for kind in sender.proofs])
def test_every_way_to_prove_itself_can_be_configured(dialect: str, kind: str) -> None:
    """As the `auth` of a source of that dialect."""
    auth = {"type": kind, **FIELDS.get(kind, {"secret": "env:SECRET"})}
    msgspec.convert({"type": "webhook", "dialect": dialect, "auth": auth}, WebhookSourceSettings)


def test_who_signs_is_known_by_the_signature() -> None:
    """Every sender that signs, and no other."""
    assert {name for name, sender in SENDERS.items() if sender.signature} == {
        name for name, sender in SENDERS.items() if "hmac" in sender.proofs
    }


def test_every_word_of_a_decision_is_explained() -> None:
    """In the table of http.md, where the page sends its reader."""
    words = set(re.findall(r"`([\w-]+)`", " ".join(re.findall(r"^\| (?:ignored|rejected) as \|(.*)$", PAGE, re.MULTILINE))))
    explained = set(re.findall(r"`([\w-]+)`", " ".join(re.findall(r"^\| (?:ignored|rejected) \|(.*)$", HTTP, re.MULTILINE))))
    assert len(words) > 20
    assert words - explained == set()
