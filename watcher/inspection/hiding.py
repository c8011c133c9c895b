"""Takes the values of secrets out of what is known of a layer or of an image, before it is kept or shown. Pure.

What was hidden cannot be judged: a value that was recognised by its name alone may be a name that a rule asks for, chosen by the
image's author for that. Then the section is no longer complete.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain
from typing import Any, TypeVar

from watcher.inspection.problems import DECLARED, FILES, PACKAGES, USERS_AND_DISTRO
from watcher.model.inventory import FileTable, Inventory, LayerFacts, Problem
from watcher.model.masking import MASKED
from watcher.model.verdict import Section, SectionState

REASON = "hidden-secret"

# Said by us or worked out from bytes, and not by the image's author: nothing of it is hidden, whatever he calls a password.
_OURS = frozenset(
    {"digest", "config_digest", "layer_digest", "facts_revision", "fingerprint", "sha256", "makers", "kind", "state", "rule"}
)
_DETAIL = "a password that is in the image is also a part of names that it has here; those names are not shown"

_Any = TypeVar("_Any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hiding:
    """`texts` are to be hidden, the longest first, each with what is shown instead. `uncertain` ones may be something else."""

    texts: Mapping[str, str]
    uncertain: frozenset[str] = frozenset()

    def within(self, texts: Iterable[str]) -> "Hiding":
        """As much of it as occurs in any of these: they may be millions, and what is hidden is mostly nowhere else."""
        if not self.texts:
            return self
        whole = "\n".join(texts)
        return replace(self, texts={hidden: shown for hidden, shown in self.texts.items() if hidden in whole})

    @property
    def is_uncertain(self) -> bool:
        return not self.uncertain.isdisjoint(self.texts)

    def text(self, text: str) -> str:
        for hidden, shown in self.texts.items():
            if hidden in text:
                text = text.replace(hidden, shown)
        return text

    def all_of(self, value: _Any) -> _Any:
        """The value with every text in it, keys apart."""
        return self._of(value) if self.texts else value

    def _of(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case bytes():
                return self.text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
            case tuple() | list():
                return type(value)(map(self._of, value))
            case dict():
                return {key: self._of(item) for key, item in value.items()}
            case _ if is_dataclass(value) and not isinstance(value, type):
                changed = {each.name: self._of(getattr(value, each.name)) for each in fields(value) if each.name not in _OURS}
                return replace(value, **changed)
        return value


def hidden_layer(facts: LayerFacts, hiding: Hiding) -> LayerFacts:
    """The layer's facts. What is shown instead must differ as the values do, so that no file is taken for another."""
    paths = hiding.within(chain(facts.files.path, facts.files.link, facts.whiteouts, facts.opaque, _texts_of(facts.certificates)))
    locks = tuple(each for each in facts.databases if each.declared)
    databases = tuple(each for each in facts.databases if not each.declared)
    packages = hiding.within(_texts_of((databases, facts.notes, facts.file_lists, facts.programs)))
    declared = hiding.within(_texts_of(locks))
    accounts = hiding.within(_texts_of(facts.texts))
    found_in = {hit.path for hit in facts.secrets}
    files = replace(
        facts.files, content={row: text for row, text in facts.files.content.items() if facts.files.path[row] not in found_in}
    )
    doubtful = (Problem(reason=REASON, detail=_DETAIL, sections=each) for each in _uncertain(paths, packages, accounts, declared))
    return replace(
        facts,
        files=_files(files, paths, hiding),
        whiteouts=paths.all_of(facts.whiteouts),
        opaque=paths.all_of(facts.opaque),
        databases=(*packages.all_of(databases), *declared.all_of(locks)),
        notes=packages.all_of(facts.notes),
        file_lists=packages.all_of(facts.file_lists),
        certificates=paths.all_of(facts.certificates),
        programs=packages.all_of(facts.programs),
        texts=accounts.all_of(facts.texts),
        secrets=hiding.all_of(facts.secrets),
        problems=(*hiding.all_of(facts.problems), *doubtful),
    )


def hidden_image(inventory: Inventory, hiding: Hiding) -> Inventory:
    """The image, but for its configuration and annotations, which model/masking.py knows better."""
    paths = hiding.within(chain(inventory.files.path, inventory.files.link, _texts_of((inventory.certificates, inventory.keys))))
    packages = hiding.within(_texts_of((inventory.packages, inventory.programs)))
    declared = hiding.within(_texts_of(inventory.declared))
    accounts = hiding.within(_texts_of((inventory.users, inventory.distro)))
    sbom = hiding.within(_texts_of(inventory.sbom))
    sections = dict(hiding.all_of(inventory.sections))
    for names in _uncertain(paths, packages, accounts, declared):
        sections |= {name: _partial(sections[name]) for name in names}
    if sbom.is_uncertain:
        sections["sbom"] = _partial(sections["sbom"])
    return replace(
        inventory,
        files=_files(inventory.files, paths, hiding),
        packages=packages.all_of(inventory.packages),
        certificates=paths.all_of(inventory.certificates),
        keys=paths.all_of(inventory.keys),
        programs=packages.all_of(inventory.programs),
        declared=declared.all_of(inventory.declared),
        sbom=sbom.all_of(inventory.sbom),
        users=accounts.all_of(inventory.users),
        distro=accounts.all_of(inventory.distro),
        media_type=hiding.text(inventory.media_type),
        platform=hiding.text(inventory.platform),
        layers=hiding.all_of(inventory.layers),
        base=hiding.all_of(inventory.base),
        secrets=hiding.all_of(inventory.secrets),
        sections=sections,
    )


def _uncertain(paths: Hiding, packages: Hiding, accounts: Hiding, declared: Hiding) -> Iterator[tuple[str, ...]]:
    """The sections in which something was hidden that may be no secret."""
    parts = ((paths, FILES), (packages, PACKAGES), (accounts, USERS_AND_DISTRO), (declared, DECLARED))
    return (sections for part, sections in parts if part.is_uncertain)


def carries(facts: LayerFacts, values: Sequence[str]) -> bool:
    """Whether any of the values is anywhere in the facts."""
    hiding = Hiding(texts=dict.fromkeys(values, MASKED))
    return bool(hiding.texts) and bool(hiding.within(_texts_of(facts)).texts)


def _files(files: FileTable, paths: Hiding, hiding: Hiding) -> FileTable:
    """A text with something to hide is not kept at all: what is left of it would be judged as what it is not."""
    texts = hiding.within(files.content.values()).texts
    content = {row: text for row, text in files.content.items() if not any(hidden in text for hidden in texts)}
    return replace(files, path=paths.all_of(files.path), link=paths.all_of(files.link), content=content)


def _partial(section: Section) -> Section:
    if section.state is not SectionState.COMPLETE:
        return section
    return Section(state=SectionState.PARTIAL, reason=_DETAIL, skipped=(REASON,))


def _texts_of(value: Any) -> Iterable[str]:
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode("utf-8", "surrogateescape")
        case FileTable():
            yield from chain(value.path, value.link, value.content.values())
        case tuple() | list():
            for item in value:
                yield from _texts_of(item)
        case dict():
            for item in value.values():
                yield from _texts_of(item)
        case _ if is_dataclass(value):
            for each in fields(value):
                if each.name not in _OURS:
                    yield from _texts_of(getattr(value, each.name))
        case _:
            pass
