"""Write verdicts to our own log, for those who collect logs anyway."""

import structlog

from watcher.model.verdict import Action, Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import Progress
from watcher.publishing.settings import LogPublisherSettings

log = structlog.get_logger(__name__)


class LogPublisher:
    """One line per verdict."""

    def __init__(self, settings: LogPublisherSettings, context: PublisherContext) -> None:  # noqa: ARG002  as every publisher
        self.name = settings.name

    async def open(self) -> None:
        """Our own log is where we are."""

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        log.info(
            "verdict.published",
            outcome=verdict.outcome.value,
            image=verdict.subject.name,
            tag=verdict.tag,
            platform=verdict.platform,
            verdict_id=verdict.id,
            fail=verdict.count(Action.FAIL),
            warn=verdict.count(Action.WARN),
            unknown=verdict.count(Action.UNKNOWN),
            rules=sorted({finding.rule for finding in verdict.findings}),
        )

    async def aclose(self) -> None:
        """Nothing is held."""
