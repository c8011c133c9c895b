"""The settings of quarantine."""

import re
from typing import Annotated, ClassVar

import msgspec

from watcher.kit.units import Duration, seconds
from watcher.model.quarantine import Measure
from watcher.model.verdict import Outcome
from watcher.publishing.wanted import PublisherSettings

# A publication that waits is given up after a week (`PATIENCE` of watcher/store/outbox.py), and is late by minutes.
LONGEST_RELEASE_SECONDS = 6 * 86400.0
_CONDEMNING = frozenset({Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN})


class QuarantinePublisherSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="quarantine"):
    """Keep images from being pulled, as far as their registry can, until they pass."""

    keeps_state: ClassVar[bool] = True
    lets_go: ClassVar[bool] = True
    in_registry: ClassVar[bool] = True

    outcomes: tuple[Outcome, ...] = (Outcome.FAIL,)  # of what is quarantined: fail, and unknown and warn if you mean it
    # `mark`: one more tag, `quarantined-` and twelve digits of the digest. `unpublish`: its movable tags lead to what they led to
    # before and is good, or nowhere. `native`: what the registry itself can do. `delete`: the image is deleted, for good.
    actions: tuple[Measure, ...] = (Measure.MARK,)
    allow_delete: bool = False  # `delete` must be said twice
    dry_run: bool = True  # nothing is written to a registry; `watcher quarantine list` says what would be
    movable_tags: str = "^(latest|stable|main)$"  # a regular expression for whole tags; no other is led elsewhere
    per_hour: Annotated[int, msgspec.Meta(ge=1)] = 5  # of one repository; what is more waits, and is said to
    release_after: Duration = "10m"  # for so long it must have passed; 6 days at most
    protected: tuple[str, ...] = ()  # globs over `HOST/REPOSITORY`; there it stays a dry run

    def __post_init__(self) -> None:
        super().__post_init__()
        if wrong := [each.value for each in self.outcomes if each not in _CONDEMNING]:
            raise ValueError(f"an image is not quarantined because it is {wrong[0]}: outcomes are fail, unknown and warn")
        if not self.outcomes or not self.actions:
            raise ValueError("at least one of outcomes and of actions")
        if Measure.DELETE in self.actions and not self.allow_delete:
            raise ValueError("deleting cannot be taken back: with the action delete, write `allow_delete: true` as well")
        if seconds(self.release_after) > LONGEST_RELEASE_SECONDS:
            raise ValueError(f"release_after {self.release_after}: 6d at most, since what waits for a week is given up")
        try:
            re.compile(self.movable_tags)
        except re.error as error:
            raise ValueError(f"movable_tags {self.movable_tags!r:.100}: {error}") from error
