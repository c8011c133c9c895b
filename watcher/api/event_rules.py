"""Rules that read nothing but `event`: they decide about any image by its name, stored or not."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from watcher.evaluation.protocol import Case, Evaluator, Judgement
from watcher.kit.clock import Clock
from watcher.model.digest import Digest
from watcher.model.reference import Reference
from watcher.model.verdict import Subject

# The event of an admission, as rules see it.
ACTION = "admission"
# As long as the answer about a tag is kept; only an exception's expiry could change the judgement within it.
KEPT_SECONDS = 30.0
MAX_JUDGEMENTS = 4096

Key = tuple[str, Reference, Digest | None, str | None]


@dataclass(slots=True)
class EventRules:
    """`evaluator` gives the present revision: a reload makes every kept judgement unreachable."""

    evaluator: Callable[[], Evaluator]
    clock: Clock
    _kept: OrderedDict[Key, tuple[float, Judgement]] = field(default_factory=OrderedDict)

    async def judge(self, reference: Reference, digest: Digest | None, environment: str | None) -> Judgement:
        """Without a digest, `event.digest` is empty.

        Raises:
            RetryableError: the process that evaluates died.
        """
        evaluator = self.evaluator()
        key = (evaluator.revision, reference, digest, environment)
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        subject = Subject(
            registry=reference.registry,
            repository=reference.repository,
            digest=digest or Digest(""),
            tags=(reference.tag,) if reference.tag else (),
            environment=environment,
        )
        judgement = await evaluator.evaluate(Case(subject=subject, now=self.clock(), tag=reference.tag, action=ACTION))
        self._kept[key] = (time.monotonic() + KEPT_SECONDS, judgement)
        while len(self._kept) > MAX_JUDGEMENTS:
            self._kept.popitem(last=False)
        return judgement
