"""Judging one document: every matching policy applies, and the worst action wins (docs/explanation/outcomes.md)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from watcher.evaluation.document.case import Document, document_of
from watcher.evaluation.policies.reading import PolicySource
from watcher.evaluation.protocol import Case, Judgement
from watcher.evaluation.rules.compile import Policy, compile_policies
from watcher.evaluation.rules.expressions import Failure
from watcher.evaluation.rules.run import Run
from watcher.evaluation.settings import OnNoMatch
from watcher.model.verdict import SECTIONS, Action, Category, Finding, Outcome, PolicyName, worst

NO_MATCH_RULE = "policies/on-no-match"

_OUTCOMES = {Action.FAIL: Outcome.FAIL, Action.UNKNOWN: Outcome.UNKNOWN, Action.WARN: Outcome.WARN, Action.NOTE: Outcome.PASS}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """All compiled policies of one revision. Not thread-safe: what an evaluation makes stays in its thread."""

    policies: tuple[Policy, ...]
    revision: str
    on_no_match: OnNoMatch = "fail"

    @classmethod
    def compile(cls, sources: Iterable[PolicySource], *, revision: str = "", on_no_match: OnNoMatch = "fail") -> "PolicySet":
        """Raises PolicyError as `compile_policies` does."""
        return cls(policies=compile_policies(sources), revision=revision, on_no_match=on_no_match)

    def evaluate(self, case: Case) -> Judgement:
        """Judge one case. The same case gives the same answer, byte for byte."""
        return self.judge(document_of(case))

    def judge(self, document: Document) -> Judgement:
        """Judge a document. The findings are in order of policy, rule and key."""
        run = Run(document=document)
        findings: list[Finding] = []
        names: list[PolicyName] = []
        undecided = False
        for policy in self.policies:
            applies = run.applies(policy)
            if applies is False:
                continue
            if isinstance(applies, Failure) and not document.inspected:
                undecided = True
                continue
            names.append(PolicyName(name=policy.name, version=policy.version))
            if isinstance(applies, Failure):
                findings.append(_match_failed(policy, applies))
                continue
            for rule in policy.rules:
                if not document.inspected and not rule.reads_only_event:
                    undecided = True
                    continue
                try:
                    findings.extend(run.findings(policy, rule))
                except Exception as error:  # noqa: BLE001  the other rules have their say
                    findings.append(run.broken(rule, error))
        if not names and not undecided:
            findings.extend(self._no_match(document))
        outcomes = [_OUTCOMES[finding.action] for finding in findings]
        return Judgement(
            # Rules that could not be asked may yet fail the image: without them it is at best not known to be sound.
            outcome=worst([Outcome.UNKNOWN if undecided else Outcome.PASS, *outcomes]),
            findings=tuple(findings),
            policies=tuple(names),
            policy_revision=self.revision,
            sections={name: document.sections[name] for name in SECTIONS},
            reads_tags=any(policy.reads_tags for policy in self.policies),
        )

    def _no_match(self, document: Document) -> list[Finding]:
        if self.on_no_match == "pass":
            return []
        event: Any = document.variables["event"]
        environment_name = event.environment or "none"
        return [
            Finding(
                rule=NO_MATCH_RULE,
                action=Action(self.on_no_match),
                category=Category.COMPLIANCE,
                title="Every image is under some policy",
                message=f"no policy applies to {event.registry}/{event.repository} (environment: {environment_name})",
                remediation="Widen the `match` of a policy, or set `policies.on_no_match`.",
            )
        ]


def _match_failed(policy: Policy, failure: Failure) -> Finding:
    return Finding(
        rule=f"{policy.name}/match",
        action=Action.UNKNOWN,
        category=Category.COMPLIANCE,
        title="Whether the policy applies",
        message=f"it could not be decided whether policy {policy.name} applies: {failure.reason}",
    )
