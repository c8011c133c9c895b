"""An image that is kept from being pulled: what is done to it, how far that has come, and how it ended."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag

_MARKER = re.compile(r"quarantined-[0-9a-f]{12}")


def marker_tag(digest: Digest) -> Tag:
    """The tag that marks an image, made of its digest: the same however often it is marked.

    Whoever may push may use it for anything, so it proves nothing.
    """
    return Tag(f"quarantined-{digest.partition(':')[2][:12]}")


def is_marker(tag: Tag) -> bool:
    """Whether it has the form of a marker, for whichever image."""
    return _MARKER.fullmatch(tag) is not None


class Measure(StrEnum):
    """What an operator may ask to be done to an image that fails."""

    MARK = "mark"
    UNPUBLISH = "unpublish"
    NATIVE = "native"
    DELETE = "delete"


class QuarantineState(StrEnum):
    INTENDED = "intended"
    IN_FORCE = "in-force"
    RELEASING = "releasing"
    RELEASED = "released"
    HELD = "held"  # there were too many before it
    FAILED = "failed"  # nothing of it could be done
    DRY_RUN = "dry-run"


OPEN = frozenset(QuarantineState) - {QuarantineState.RELEASED}
"""Of these something is still to be done, or to be taken back."""


class StepState(StrEnum):
    PLANNED = "planned"  # what a dry run would do
    INTENDED = "intended"  # about to be done, and perhaps done
    DONE = "done"
    IMPOSSIBLE = "impossible"  # the registry refuses
    OVERTAKEN = "overtaken"  # somebody else has moved the tag, or had blocked the image before
    UNDONE = "undone"
    LEFT = "left"  # was not taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`detail` is why it is so, as a sentence, empty where that needs none."""

    state: StepState
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagMove:
    """A tag that is led away from the image: to what it led to before and is known to be good, or nowhere, which is None.

    It was asked where it leads at `asked_at`, and led elsewhere by `moved_at`: what somebody pushed between these may be lost.
    """

    tag: Tag
    to: Digest | None
    state: StepState
    asked_at: datetime
    moved_at: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """One image of one repository, as one publisher keeps it from being pulled.

    `reason` is why, as a sentence, and `verdict_id` the verdict that says so. `passing_since` is since when its verdicts speak for
    it. `excused` is what a person has released it in spite of (see `fingerprint`), empty for nothing.
    """

    publisher: str
    registry: Host
    repository: RepositoryName
    digest: Digest
    state: QuarantineState
    reason: str
    verdict_id: str
    began_at: datetime
    changed_at: datetime
    steps: Mapping[Measure, Step] = field(default_factory=dict)
    tags: tuple[TagMove, ...] = ()
    passing_since: datetime | None = None
    ended_by: str = ""
    ended_reason: str = ""
    excused: str = ""

    @property
    def name(self) -> str:
        """`HOST/REPOSITORY@DIGEST`."""
        return f"{self.registry}/{self.repository}@{self.digest}"

    def move(self, tag: Tag) -> TagMove | None:
        return next((each for each in self.tags if each.tag == tag), None)

    def with_step(self, measure: Measure, step: Step) -> "Quarantine":
        return replace(self, steps={**self.steps, measure: step})

    def with_move(self, move: TagMove) -> "Quarantine":
        others = [each for each in self.tags if each.tag != move.tag]
        return replace(self, tags=tuple(sorted([*others, move], key=lambda each: each.tag)))

    def has(self, measure: Measure, *states: StepState) -> bool:
        step = self.steps.get(measure)
        return step is not None and step.state in states

    def all_steps(self) -> Iterator[Step | TagMove]:
        yield from self.steps.values()
        yield from self.tags

    def moved(self) -> Collection[TagMove]:
        """The tags that were led away, and are still, as far as is known."""
        return [each for each in self.tags if each.state is StepState.DONE]

    def perhaps_moved(self) -> Collection[TagMove]:
        """Those, and the ones that are just being led away, or were when whoever did it ended."""
        return [each for each in self.tags if each.state in {StepState.DONE, StepState.INTENDED}]
