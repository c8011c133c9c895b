"""What a code host is told about the commit that an image was built from, in the words that all of them share."""

from dataclasses import dataclass

import structlog
from yarl import URL

from watcher.model.digest import short
from watcher.model.verdict import Action, Outcome, Verdict
from watcher.publishing.commit_status_settings import CommitStatusSettings
from watcher.publishing.protocol import Labels, TagHistory
from watcher.publishing.source_commit import CodeHost, Commit, claimed_commit

log = structlog.get_logger(__name__)

# What is not told is said once for each image's repository; beyond so many of them, again.
MOST_SAID = 10_000
# What GitLab takes as a name.
MAX_CONTEXT = 255
_COUNTED = ((Action.FAIL, "fail"), (Action.UNKNOWN, "unknown"), (Action.WARN, "warn"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`outcome` is never NOT_APPLICABLE. `context` tells it from those that others, and other images, set on the same commit."""

    commit: Commit
    context: str
    outcome: Outcome
    description: str


class CommitStatuses:
    """Which status a verdict is, if it is one."""

    def __init__(self, settings: CommitStatusSettings, labels: Labels, tags: TagHistory, *, groups: bool = False) -> None:
        url = URL(settings.url)
        self._name = settings.name
        self._at = CodeHost(host=url.host or "", root=url.path, groups=groups, repositories=settings.repositories)
        self._context = settings.context
        self._labels = labels
        self._tags = tags
        self._said: set[tuple[str, str]] = set()

    async def of(self, verdict: Verdict) -> Status | None:
        """None for an image of an index, whose own verdict is the worst of all; for what cannot run; and without a commit.

        And for one whose tags lead elsewhere now: what was built from the commit anew speaks for it.
        """
        if verdict.index_digest is not None or verdict.outcome is Outcome.NOT_APPLICABLE:
            return None
        labels = await self._labels.labels(verdict.subject.digest)
        commit = claimed_commit(labels, self._at)
        if not isinstance(commit, Commit):
            self.skipped(verdict, commit.value)
            return None
        subject = verdict.subject
        history = await self._tags.tag_history(subject.registry, subject.repository, subject.digest)
        named = {tag: leads_to for tag, leads_to in history.items() if tag}
        if named and subject.digest not in named.values():
            self.skipped(verdict, "replaced")
            return None
        context = self._context.format(
            registry=subject.registry, repository=subject.repository, environment=subject.environment or ""
        )
        return Status(commit=commit, context=context[:MAX_CONTEXT], outcome=verdict.outcome, description=_description(verdict))

    def skipped(self, verdict: Verdict, reason: str) -> None:
        """Say once why nothing is told."""
        image = f"{verdict.subject.registry}/{verdict.subject.repository}"
        if (image, reason) in self._said:
            return
        if len(self._said) >= MOST_SAID:
            self._said.clear()
        self._said.add((image, reason))
        log.info("status.skipped", publisher=self._name, image=image, reason=reason)


def _description(verdict: Verdict) -> str:
    """`fail: 2 fail, 1 warn; sha256:36749fba9128`. Ours but for the digest: nobody else has a say in what developers read."""
    counts = ", ".join(f"{count} {word}" for action, word in _COUNTED if (count := verdict.count(action)))
    return f"{verdict.outcome.value}{f': {counts}' if counts else ''}; {short(verdict.subject.digest)}"
