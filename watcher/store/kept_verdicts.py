"""Verdicts that were just asked for: a cluster asks about the same images hundreds of times a second."""

from collections import OrderedDict
from collections.abc import Hashable

from watcher.model.verdict import Verdict

# All together, so that some tens of megabytes are kept: a verdict of nothing counts as one finding.
MOST_FINDINGS = 20_000


class KeptVerdicts:
    """The newest verdicts, by what was asked, until anything that could make another the newest was written.

    Only one process records verdicts, and one object of it, so that all such writes are its own. What is read while one of them
    happens is not kept.
    """

    def __init__(self, *, most_findings: int = MOST_FINDINGS) -> None:
        self._most = most_findings
        self._kept: OrderedDict[Hashable, Verdict] = OrderedDict()
        self._findings = 0
        self.writes = 0

    def changed(self) -> None:
        """Something was written."""
        self.writes += 1
        self._kept.clear()
        self._findings = 0

    def get(self, asked: Hashable) -> Verdict | None:
        return self._kept.get(asked)

    def keep(self, asked: Hashable, verdict: Verdict, *, writes: int) -> None:
        """`writes` is how many there were when it was asked for."""
        if writes != self.writes or asked in self._kept:
            return
        self._kept[asked] = verdict
        self._findings += 1 + len(verdict.findings)
        while self._findings > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._findings -= 1 + len(oldest.findings)
