"""Facts and policy in, findings and an outcome out."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from watcher.model.errors import PermanentError
from watcher.model.inventory import Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.reference import Tag
from watcher.model.verdict import Finding, Outcome, PolicyName, Section, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One image before the policies, with what is known of it besides. `now` is the only clock a rule can see.

    `inventory` None means that nothing was inspected: only rules that read nothing but `event` are then evaluated.
    """

    subject: Subject
    now: datetime
    tag: Tag | None = None
    inventory: Inventory | None = None
    knowledge: tuple[Knowledge, ...] = ()
    action: str = "push"

    @property
    def data_revision(self) -> str:
        """Which data the case rests on besides the image, of everybody who brought some."""
        return " ".join(each.data_revision for each in self.knowledge if each.data_revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The answer to one case. `sections` are the inventory's with those added that no inspection produces.

    `reads_tags`: some policy asks by which tags an image is known, so that the answer may be another once these are others.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    policies: tuple[PolicyName, ...]
    policy_revision: str
    sections: dict[str, Section] = field(default_factory=dict)
    reads_tags: bool = False


class EvaluationFailedError(PermanentError):
    """The policies cannot say anything of this case: asked again, they would fail again."""

    reason = "evaluation-failed"


class Evaluator(Protocol):
    """One loaded, valid revision of all policies."""

    @property
    def revision(self) -> str:
        """`sha256:` over the canonical JSON of all policy, list and exception documents."""
        ...

    async def evaluate(self, case: Case) -> Judgement:
        """Judge one case. Same case, same revision: the same answer, byte for byte.

        Raises:
            RetryableError: the process that evaluates died; calling again starts a new one.
            EvaluationFailedError, FrameTooLargeError: no attempt at this case will bring a judgement.
        """
        ...
