"""What gatherers brought, as the part of the inspection document that no inspection fills."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.message import Message

from watcher.evaluation.document.json_form import items_of, message_of
from watcher.evaluation.document.types import message_class, sections_of
from watcher.evaluation.document.variables import COLLECTIONS, VARIABLES
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import INSPECTED, Section, SectionState

GATHERED_VARIABLES = ("data", "provenance", "drift", "dockerfile")
GATHERED_COLLECTIONS = tuple(name for name, each in COLLECTIONS.items() if each.section not in INSPECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Every gathered variable and collection, empty where nobody brought it; `sections` are those that somebody answers for."""

    variables: Mapping[str, Message]
    collections: Mapping[str, Sequence[Message]]
    sections: Mapping[str, Section]


def gathered(knowledge: Iterable[Knowledge]) -> Gathered:
    """What is brought and does not fit the document is not used at all, and the sections of whoever brought it are missing."""
    variables = {name: message_class(VARIABLES[name].message)() for name in GATHERED_VARIABLES}
    collections: dict[str, Sequence[Message]] = dict.fromkeys(GATHERED_COLLECTIONS, ())
    sections: dict[str, Section] = {}
    for each in knowledge:
        try:
            brought, lists = _read(each)
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            missing = Section(state=SectionState.MISSING, reason=f"what was gathered cannot be read: {error}")
            sections.update(dict.fromkeys(each.sections, missing))
            continue
        sections.update(each.sections)
        collections.update(lists)
        for name, message in brought.items():
            variables[name].MergeFrom(message)
    return Gathered(variables=variables, collections=collections, sections=sections)


def _read(knowledge: Knowledge) -> tuple[dict[str, Message], dict[str, list[Message]]]:
    """Raises msgspec.DecodeError, RecursionError, and ValueError for another form or what is of no section answered for."""
    document: Any = msgspec.json.decode(knowledge.document)
    if not isinstance(document, Mapping):
        raise ValueError("expected an object")  # noqa: TRY004 - one kind of error for all that does not fit
    for name in document:
        if not _sections_of(name) & knowledge.sections.keys():
            raise ValueError(f"{name:.40}: it is not of {', '.join(knowledge.sections)}")
    variables = {name: message_of(VARIABLES[name].message, document[name], name) for name in GATHERED_VARIABLES if name in document}
    collections = {
        name: [message_of(COLLECTIONS[name].message, item, name) for item in items_of(document[name], name)]
        for name in GATHERED_COLLECTIONS
        if name in document
    }
    return variables, collections


def _sections_of(name: str) -> frozenset[str]:
    """Those that a name of the document is part of; none for what inspection fills, or nobody does."""
    if name in GATHERED_COLLECTIONS:
        return frozenset({COLLECTIONS[name].section})
    return sections_of((name,), collection=None, variable="") if name in GATHERED_VARIABLES else frozenset()
