"""Whatever a gatherer brings."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from watcher.evaluation.document.gathered import GATHERED_COLLECTIONS, GATHERED_VARIABLES, gathered
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import Section, SectionState

SECTIONS = ("vulnerabilities", "provenance", "drift", "malware", "evaluations", "upstream")
NAMES = st.sampled_from(
    [
        *GATHERED_VARIABLES,
        *GATHERED_COLLECTIONS,
        "id",
        "severity",
        "package",
        "fix",
        "epss",
        "first_seen",
        "layer",
        "verified",
        "time",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.just("2026-01-01T00:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def states(knowledge: Knowledge) -> set[SectionState]:
    return {section.state for section in gathered([knowledge]).sections.values()}


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_document_is_read_or_missing(document: dict[str, Any]) -> None:
    """There is no third way, and no error."""
    knowledge = Knowledge(sections=dict.fromkeys(SECTIONS, Section()), document=msgspec.json.encode(document))
    assert states(knowledge) in ({SectionState.COMPLETE}, {SectionState.MISSING})


@given(st.binary())
def test_any_bytes_are_read_or_missing(document: bytes) -> None:
    """Be they JSON or not."""
    knowledge = Knowledge(sections={"drift": Section()}, document=document)
    assert states(knowledge) in ({SectionState.COMPLETE}, {SectionState.MISSING})
