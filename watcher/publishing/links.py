"""Where those who read a message find the rest."""

from dataclasses import dataclass

from watcher.model.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """`public_url` is how the watcher is reached from outside, without a slash at its end; empty where nobody said."""

    public_url: str = ""

    def newest(self, outcome: Outcome) -> str | None:
        """Every image that has this outcome now, as JSON, page by page."""
        return f"{self.public_url}/api/v1/verdicts?outcome={outcome.value}" if self.public_url else None

    def verdict(self, verdict: Verdict) -> str | None:
        """The whole verdict, as JSON. It answers whoever has the API's token."""
        return f"{self.public_url}/api/v1/verdicts/{verdict.id}" if self.public_url else None
