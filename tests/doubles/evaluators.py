"""An evaluator whose answers a test writes down."""

from collections.abc import Callable, Sequence

from watcher.evaluation.protocol import Case, Judgement
from watcher.model.errors import RetryableError
from watcher.model.verdict import Finding, Outcome


class EvaluatorDiedError(RetryableError):
    reason = "evaluator-died"


class WrittenEvaluator:
    """Gives `findings` for every case, or what `finds` makes of it, and remembers the cases; or raises `error`."""

    def __init__(self, findings: Sequence[Finding] = ()) -> None:
        self.findings = tuple(findings)
        self.finds: Callable[[Case], Sequence[Finding]] | None = None
        self.reads_tags = False
        self.outcome = Outcome.PASS
        self.cases: list[Case] = []
        self.dead = False
        self.error: Exception | None = None
        self.revision = "sha256:" + "5" * 64

    async def evaluate(self, case: Case) -> Judgement:
        if self.dead:
            raise EvaluatorDiedError("the process that evaluates died")
        if self.error is not None:
            raise self.error
        self.cases.append(case)
        sections = dict(case.inventory.sections) if case.inventory else {}
        return Judgement(
            outcome=self.outcome,
            findings=self.findings if self.finds is None else tuple(self.finds(case)),
            policies=(),
            policy_revision=self.revision,
            sections=sections,
            reads_tags=self.reads_tags,
        )
