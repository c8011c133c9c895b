"""How severe a vulnerability is: joined from whoever says so, never assumed.

The distribution's word for its own package comes first, then that of a GitHub advisory of the same vulnerability, then the highest
CVSS vector. Where nobody says anything it is UNKNOWN.

Spec: CVSS v4.0, "Qualitative Severity Rating Scale" (the same as v3.1's).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from watcher.advisories.tables import Kept

_BANDS = ((9.0, "CRITICAL"), (7.0, "HIGH"), (4.0, "MEDIUM"), (0.1, "LOW"), (0.0, "NEGLIGIBLE"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A CVSS vector, worked out. Only version 3 has the sub-scores; 0 stands for none."""

    version: str
    base: float
    exploitability: float = 0.0
    impact: float = 0.0

    @property
    def severity(self) -> str:
        return next(word for least, word in _BANDS if self.base >= least)


@lru_cache(maxsize=10_000)
def score_of(vector: str) -> Score | None:
    """None for what is no vector of version 2, 3 or 4."""
    from cvss import CVSS2, CVSS3, CVSS4
    from cvss.exceptions import CVSSError

    try:
        if vector.startswith("CVSS:4"):
            four = CVSS4(vector)
            return Score(version="4.0", base=float(four.base_score))
        if vector.startswith("CVSS:3"):
            three = CVSS3(vector)
            return Score(
                version=vector[5:8], base=float(three.base_score), exploitability=float(three.esc), impact=float(three.isc)
            )
        return Score(version="2.0", base=float(CVSS2(vector).base_score))
    except (CVSSError, ValueError, ArithmeticError, KeyError):
        return None


def severity_of(distribution: str, word: str, advisories: Sequence[Kept], aliases: Iterable[Kept]) -> tuple[str, str]:
    """(one of SEVERITIES, who says so). `word` is the distribution's for the package; `aliases` are further names' advisories."""
    if word:
        return word, distribution
    own = [each for each in advisories if each.severity]
    if errata := next((each for each in own if not each.id.startswith("GHSA-")), None):
        return errata.severity, distribution or errata.id.partition("-")[0]
    everybody = [*advisories, *aliases]
    if github := next((each for each in everybody if each.severity and each.id.startswith("GHSA-")), None):
        return github.severity, "GHSA"
    if other := next((each for each in everybody if each.severity), None):
        return other.severity, other.id.partition("-")[0]
    scored = [(score, source) for each in everybody for source, text in each.vectors if (score := score_of(text)) is not None]
    if scored:
        score, source = max(scored, key=lambda pair: pair[0].base)
        return score.severity, f"CVSS {score.version} of {source}"
    return "UNKNOWN", ""
