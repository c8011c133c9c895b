"""Runs PolicyTest documents: each case is a small inspection document, a fixed time, and what must come of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from google.protobuf.message import Message

from watcher.evaluation.document.case import Document, with_effective_user
from watcher.evaluation.document.fields import NOT_PRODUCED
from watcher.evaluation.document.files import MessageFiles, file_message
from watcher.evaluation.document.json_form import items_of, message_of
from watcher.evaluation.document.variables import COLLECTIONS, VARIABLES
from watcher.evaluation.policies.reading import PolicyTestSource
from watcher.evaluation.policies.shapes import CaseDocument
from watcher.evaluation.protocol import Judgement
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.kit.glob import glob_match
from watcher.model.errors import PolicyError
from watcher.model.verdict import SECTIONS, Action, Finding, Section, SectionState

# A case that names no time is judged at this one, so that it gives the same answer on every day.
DEFAULT_NOW = datetime(2026, 1, 1, tzinfo=UTC)

_OTHER_KEYS = ("sections", "lists")
_STATE_NAMES = (*SECTIONS, *NOT_PRODUCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case; `problems` is empty when it passed. `place` is `file:line:column`."""

    name: str
    place: str
    problems: tuple[str, ...]
    judgement: Judgement

    @property
    def passed(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """All cases; `fired` are the rules that found something in at least one, of all `rules`."""

    __test__ = False  # its name is the domain's, not pytest's

    cases: tuple[CaseResult, ...]
    rules: tuple[str, ...]
    fired: frozenset[str]

    @property
    def never_fired(self) -> tuple[str, ...]:
        return tuple(rule for rule in self.rules if rule not in self.fired)

    @property
    def coverage_percent(self) -> float:
        return 100.0 * (len(self.rules) - len(self.never_fired)) / len(self.rules) if self.rules else 100.0

    def passed(self, *, min_coverage_percent: float = 0.0) -> bool:
        return all(case.passed for case in self.cases) and self.coverage_percent >= min_coverage_percent


def run_tests(policies: PolicySet, tests: Sequence[PolicyTestSource]) -> TestReport:
    """Judge every case under all of `policies`.

    A rule has fired when it had a finding of its own; that it could not be decided is none.

    Raises:
        PolicyError: a case cannot be read; one `file:line:column: what` a line.
    """
    prepared: list[tuple[CaseDocument, str, Document]] = []
    complaints: list[str] = []
    for test in tests:
        for index, case in enumerate(test.document.cases):
            place = test.places.at(("cases", index))
            try:
                prepared.append((case, place, case_document(test.document.given, case)))
            except ValueError as error:
                complaints.append(f"{place}: case {case.name!r}: {error}")
    if complaints:
        raise PolicyError("\n".join(complaints))
    results: list[CaseResult] = []
    fired: set[str] = set()
    for case, place, document in prepared:
        judgement = policies.judge(document)
        fired.update(finding.rule for finding in judgement.findings if finding.action is not Action.UNKNOWN)
        results.append(CaseResult(name=case.name, place=place, problems=_problems(case, judgement), judgement=judgement))
    rules = tuple(rule.name for policy in policies.policies for rule in policy.rules)
    return TestReport(cases=tuple(results), rules=rules, fired=frozenset(fired))


def case_document(given: Mapping[str, Any], case: CaseDocument) -> Document:
    """The document of a case: `input` laid over `given`, mappings key by key, anything else replaced.

    Raises:
        ValueError: a name or a type that the inspection document does not have.
    """
    merged = merge(given, case.input)
    unknown = sorted(merged.keys() - {*VARIABLES, *COLLECTIONS, *_OTHER_KEYS})
    if unknown:
        raise ValueError(f"input has no {unknown[0]!r}; it has {', '.join(sorted({*VARIABLES, *COLLECTIONS, *_OTHER_KEYS}))}")
    variables = {name: message_of(variable.message, merged.get(name, {}), name) for name, variable in VARIABLES.items()}
    image: Any = variables["image"]
    configured = merged.get("image", {}).get("config", {})
    if "runs_as_root" not in configured:
        image.config.runs_as_root = image.config.HasField("effective_uid") and image.config.effective_uid == 0
    files = [_file(item) for item in items_of(merged.get("files", []), "files")]
    return Document(
        variables=variables,
        collections={
            name: [message_of(collection.message, item, name) for item in items_of(merged.get(name, []), name)]
            for name, collection in COLLECTIONS.items()
            if name != "files"
        },
        files=MessageFiles(messages=files),
        sections=_sections(
            merged.get("sections", {}),
            image.config.user,
            known="runs_as_root" in configured or configured.get("effective_uid", 0) is not None,
        ),
        now=_now(case.now),
        lists=_lists(merged.get("lists", {})),
    )


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `under`, mappings key by key, anything else replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _problems(case: CaseDocument, judgement: Judgement) -> tuple[str, ...]:
    problems: list[str] = []
    expect = case.expect
    found = ", ".join(_named(finding) for finding in judgement.findings) or "nothing"
    if expect.outcome is not None and judgement.outcome.value != expect.outcome:
        problems.append(f"expected {expect.outcome}, got {judgement.outcome.value}; found: {found}")
    problems.extend(
        f"expected a finding {pattern}; found: {found}"
        for pattern in expect.findings
        if not any(_matches(pattern, finding) for finding in judgement.findings)
    )
    for pattern in expect.absent:
        for finding in judgement.findings:
            if _matches(pattern, finding):
                problems.append(f"expected no {pattern}; found: {_named(finding)} ({finding.message})")
                break
    return tuple(problems)


def _matches(pattern: str, finding: Finding) -> bool:
    return glob_match(f"{finding.rule}#{finding.key}" if "#" in pattern else finding.rule, pattern)


def _named(finding: Finding) -> str:
    return f"{finding.rule}#{finding.key}" if finding.key else finding.rule


def _file(value: Any) -> Message:
    """A file whose type and bits follow from its mode where the case does not say them. YAML 1.1 reads `0o4755` as text."""
    mode = value.get("mode") if isinstance(value, Mapping) else None
    if isinstance(mode, str) and re.fullmatch(r"0o?[0-7]+", mode):
        value = {**value, "mode": int(mode.replace("o", ""), 8)}
    read: Any = message_of("File", value, "files")
    derived: Any = file_message(type=read.type or "file", mode=read.mode)
    for name in ("type", "suid", "sgid", "world_writable"):
        if name not in value:
            setattr(read, name, getattr(derived, name))
    return read  # type: ignore[no-any-return]  # generated classes have no declared fields


def _sections(given: Any, user: str, *, known: bool) -> dict[str, Section]:
    """Complete unless the case says otherwise: `packages: partial` or `packages: {state: partial, reason: …}`."""
    if not isinstance(given, Mapping):
        raise ValueError("sections: expected a mapping")  # noqa: TRY004 - the caller adds the place to every ValueError
    sections = dict.fromkeys(_STATE_NAMES, Section())
    for name, said in given.items():
        if name not in sections:
            raise ValueError(f"sections: there is no {name!r}; there are {', '.join(_STATE_NAMES)}")
        state, reason = (said.get("state"), said.get("reason", "")) if isinstance(said, Mapping) else (said, "")
        try:
            sections[name] = Section(state=SectionState(str(state)), reason=str(reason))
        except ValueError as error:
            raise ValueError(f"sections.{name}: {state!r:.40} is none of {', '.join(SectionState)}") from error
    return with_effective_user(sections, user, known=known)


def _lists(given: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, Mapping) or not all(isinstance(entries, list) for entries in given.values()):
        raise ValueError("lists: expected a mapping of names to lists of text")
    return {str(name): tuple(str(entry) for entry in entries) for name, entries in given.items()}


def _now(text: str | None) -> datetime:
    if text is None:
        return DEFAULT_NOW
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"now: {text!r:.40} is neither a day nor a time as in RFC 3339") from error
    if moment.tzinfo is None:
        raise ValueError(f"now: {text!r:.40} has no time zone")
    return moment.astimezone(UTC)
