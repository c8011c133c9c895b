"""What is said about an image, and why. Outcomes and their order are in docs/explanation/outcomes.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag


class Outcome(StrEnum):
    """The five answers. An error is never a pass and never a fail."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


# The worst wins, from best to worst.
_ORDER = (Outcome.NOT_APPLICABLE, Outcome.PASS, Outcome.WARN, Outcome.UNKNOWN, Outcome.FAIL)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of several; NOT_APPLICABLE for none."""
    return max(outcomes, key=_ORDER.index, default=Outcome.NOT_APPLICABLE)


class Action(StrEnum):
    """What a finding does to the outcome. A note never changes it."""

    FAIL = "fail"
    WARN = "warn"
    NOTE = "note"
    UNKNOWN = "unknown"


# What makes an outcome what it is.
_DECISIVE = {Outcome.FAIL: Action.FAIL, Outcome.UNKNOWN: Action.UNKNOWN, Outcome.WARN: Action.WARN}


class Category(StrEnum):
    SECURITY = "security"
    COMPLIANCE = "compliance"
    BEST_PRACTICE = "best-practice"


class SectionState(StrEnum):
    """How much of a section of the inspection can be relied on."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"
    STALE = "stale"
    NOT_CONFIGURED = "not-configured"


# What was not looked at is named for people, who read no more than that.
MAX_SKIPPED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`reason` is a sentence, empty when complete; `skipped` lists what was not looked at, at most MAX_SKIPPED entries."""

    state: SectionState = SectionState.COMPLETE
    reason: str = ""
    skipped: tuple[str, ...] = ()


# What inspection looks at; the document it makes says how far each can be relied on.
INSPECTED = ("config", "packages", "files", "secrets", "users", "base", "distro", "declared", "sbom")
# Every verdict says how each of these was covered. What is not inspected is added where the case is put together.
SECTIONS = (*INSPECTED, "vulnerabilities", "provenance", "drift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where a finding was seen. None where the notion does not apply; `layer_index` counts from the base, 0 first."""

    layer: Digest | None = None
    layer_index: int | None = None
    created_by: str | None = None
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule's hit on one thing. `rule` is `policy/rule`; `key` names the thing and is what an exception matches.

    `platform` is that of the image it was found in, in the verdict of an index; None in an image's own.
    """

    rule: str
    action: Action
    message: str
    key: str = ""
    title: str = ""
    category: Category = Category.SECURITY
    remediation: str = ""
    excepted_by: str | None = None
    evidence: Evidence | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a verdict is about. Facts are kept per digest, verdicts per subject. `tags` is sorted."""

    registry: Host
    repository: RepositoryName
    digest: Digest
    tags: tuple[Tag, ...] = ()
    environment: str | None = None

    @property
    def name(self) -> str:
        """`HOST/REPOSITORY@DIGEST`, the subject of CloudEvents."""
        return f"{self.registry}/{self.repository}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyName:
    name: str
    version: str


# Where a verdict comes from that nobody's event led to: what it rests on became another, or it was time to look again.
REEVALUATION = "reevaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The event that led to a verdict: the source's name and when it was accepted; REEVALUATION is no source's.

    `actor` is who pushed, as the event says, which its sender may have let anybody choose; None where it says nothing.
    """

    source: str
    received_at: datetime
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One judgement of one subject. `to_json` in watcher/model/verdict_json.py is its public form (docs/reference/verdict.md).

    `index_digest` names the index this platform's image was judged under, None when it was judged alone or is the index.
    `id` is a function of the job and the digest, so that a job that runs twice records once. `owner` is whose the image is, empty
    where nobody said.
    """

    id: str
    outcome: Outcome
    subject: Subject
    tag: Tag | None
    media_type: str
    platform: str | None
    policies: tuple[PolicyName, ...]
    policy_revision: str
    facts_revision: str
    data_revision: str
    engine_version: str
    evaluated_at: datetime
    findings: tuple[Finding, ...]
    sections: dict[str, Section]
    origin: Origin | None = None
    index_digest: Digest | None = None
    reason: str = ""
    owner: str = ""

    def count(self, action: Action) -> int:
        """Findings with this action that no exception covers."""
        return sum(1 for finding in self.findings if finding.action is action and finding.excepted_by is None)

    def decisive(self, since: "Verdict | None" = None) -> Sequence[Finding]:
        """Findings that make the outcome what it is, none that is excepted: those that `since` had not, all where none is new."""
        action = _DECISIVE.get(self.outcome)
        findings = [each for each in self.findings if each.action is action and each.excepted_by is None]
        known = {_name(each) for each in since.decisive()} if since is not None else set()
        return [each for each in findings if _name(each) not in known] or findings

    def repeats(self, earlier: "Verdict") -> bool:
        """Whether it says of its subject what `earlier` said: the same outcome for the same findings, however they are worded."""
        found, before = (
            frozenset((_name(each), each.excepted_by is None) for each in verdict.findings) for verdict in (self, earlier)
        )
        return self.outcome is earlier.outcome and found == before


def _name(finding: Finding) -> tuple[str, str, str | None, Action]:
    """What is one and the same finding, however it is worded."""
    return finding.rule, finding.key, finding.platform, finding.action
