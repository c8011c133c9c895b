"""An expression over a verdict, by which a destination chooses what it is told of."""

from typing import Any

from watcher.model.errors import PolicyError
from watcher.model.verdict import Finding, Verdict

_TEXTS = ("outcome", "reason", "registry", "repository", "tag", "digest", "platform", "environment", "owner", "source", "actor")


class VerdictFilter:
    """One compiled expression of CEL, which gives true or false.

    It reads texts, empty where there is nothing: `outcome`, `reason`, `registry`, `repository`, `tag`, `digest`, `platform`,
    `environment`, `owner`, `source` and `actor`; the list of texts `tags`; and the list `findings`, each with the texts `rule`,
    `action`, `category`, `key`, `title`, `message`, `platform`, `path`, and `excepted_by`.
    """

    def __init__(self, text: str) -> None:
        """Raises PolicyError, with line and column, for an expression that cannot be evaluated or is neither true nor false."""
        # Not before somebody asks for it: most daemons evaluate expressions in their children only.
        from cel_expr_python import cel

        from watcher.evaluation.rules.diagnostics import complaints_of

        texts = dict.fromkeys(_TEXTS, cel.Type.STRING)
        finding = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
        lists = {"tags": cel.Type.List(cel.Type.STRING), "findings": cel.Type.List(finding)}
        try:
            self._expression = cel.NewEnv(variables=texts | lists).compile(text)
        except RuntimeError as error:
            raise PolicyError("; ".join(complaints_of(str(error), lambda line, column: f"{line}:{column}"))) from error
        if self._expression.return_type() != cel.Type.BOOL:
            raise PolicyError("1:1: expected an expression that is true or false")

    def takes(self, verdict: Verdict) -> bool:
        """Whether the expression is true.

        Raises:
            PolicyError: nobody can say, and why.
        """
        try:
            value = self._expression.eval(data=_document(verdict)).value()
        except (RuntimeError, MemoryError) as error:
            raise PolicyError(f"{error!s:.200}") from error
        if value is not True and value is not False:
            raise PolicyError(f"{value!s:.200}")
        return bool(value)


def _document(verdict: Verdict) -> dict[str, Any]:
    subject, origin = verdict.subject, verdict.origin
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "registry": str(subject.registry),
        "repository": str(subject.repository),
        "tag": verdict.tag or "",
        "digest": str(subject.digest),
        "platform": verdict.platform or "",
        "environment": subject.environment or "",
        "owner": verdict.owner,
        "source": origin.source if origin else "",
        "actor": (origin.actor if origin else None) or "",
        "tags": list(subject.tags),
        "findings": [_finding(each) for each in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "rule": finding.rule,
        "action": finding.action.value,
        "category": finding.category.value,
        "key": finding.key,
        "title": finding.title,
        "message": finding.message,
        "platform": finding.platform or "",
        "path": (finding.evidence.path if finding.evidence else None) or "",
        "excepted_by": finding.excepted_by or "",
    }
