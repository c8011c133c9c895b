"""Registries and receivers that do not answer: whoever needs one waits together with the others, and one of them looks.

Nothing here is kept: after a restart each is taken to be up, and found out again by the first few who ask.
"""

import random
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from watcher.kit.backoff import Backoff
from watcher.model.errors import RegistryUnavailableError, ThrottledError

K = TypeVar("K", bound=Hashable)

log = structlog.get_logger(__name__)

# What concerns everybody who asks there, not this image or verdict.
OUTAGES = frozenset(
    {
        RegistryUnavailableError.reason,
        ThrottledError.reason,
        "timed-out",
        "receiver-unavailable",
        *(f"destination-{trouble}" for trouble in ("unreachable", "missing", "denied", "credentials", "clock", "refused")),
        *(f"broker-{trouble}" for trouble in ("unavailable", "tls", "refused", "files")),
    }
)
# So many in a row, without one between them that was answered: fewer may be about one broken image.
TOLERATED = 3
FIRST_DELAY_SECONDS = 2.0
# One request every half minute burdens nobody, and whoever comes back is noticed within it.
LONGEST_DELAY_SECONDS = 30.0
# Whoever looks, is answered, and is not done after this has a large image: the next one looks too.
LOOK_SECONDS = 5.0
# So many may be sent to somebody of whom nothing was heard since: one that takes every request and answers none would hold all
# places for as long as requests are waited for. Whoever is up is heard of within milliseconds.
UNHEARD = 4


@dataclass(slots=True, kw_only=True)
class Outage:
    """One that failed last. `failures` in a row; `looking` is who was sent in spite of them, at `looked_at`, and is not back."""

    since: float
    failures: int = 0
    resumes_at: float = float("-inf")
    looking: Hashable = None
    looked_at: float = float("-inf")


@dataclass(slots=True, kw_only=True)
class Outages(Generic[K]):
    """Who is not to be asked now. Used on one event loop.

    `kind` is what they are called in the log, `label` how one is called there; `shown` is told (label, whether it is up) at each
    change. `most_unheard` is for who tells `heard` of what is said before it has ended.
    """

    kind: str
    label: Callable[[K], str] = str
    shown: Callable[[str, bool], None] = lambda _label, _up: None
    most_unheard: float = float("inf")
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    _failing: dict[K, Outage] = field(default_factory=dict, init=False)
    _unheard: dict[K, set[Hashable]] = field(default_factory=dict, init=False)  # who was sent there since anything was heard of it

    def closed(self) -> Collection[K]:
        """Those to which nobody is to be sent now.

        Until the time of the next look has come, and while somebody looks; and while enough are there who have heard nothing.
        """
        now = self.clock()
        failing = {
            name
            for name, each in self._failing.items()
            if each.failures >= TOLERATED and (now < each.resumes_at or self._looks(name, each, now))
        }
        return failing | {name for name, sent in self._unheard.items() if len(sent) >= self.most_unheard}

    def failing(self) -> Collection[K]:
        """Those to which one at a time is sent, to find out whether they are back."""
        return {name for name, each in self._failing.items() if each.failures >= TOLERATED}

    def _looks(self, name: K, outage: Outage, now: float) -> bool:
        """Whether somebody is there whose answer is worth waiting for."""
        unheard = outage.looking in self._unheard.get(name, ())
        return outage.looking is not None and (unheard or now < outage.looked_at + LOOK_SECONDS)

    def heard(self, name: K) -> None:
        """It has said something, whatever that was."""
        self._unheard.pop(name, None)

    def begun(self, name: K, who: Hashable) -> None:
        """`who` has been sent there. Each must be `ended` or `given_up`."""
        self._unheard.setdefault(name, set()).add(who)
        outage = self._failing.get(name)
        if outage is not None and outage.failures >= TOLERATED:
            outage.looking, outage.looked_at = who, self.clock()

    def given_up(self, name: K, who: Hashable) -> None:
        """Who was sent came back without having found out. Nothing when it has been said how it went."""
        self._unheard.get(name, set()).discard(who)
        outage = self._failing.get(name)
        if outage is not None and outage.looking == who:
            outage.looking = None

    def ended(self, name: K, who: Hashable, reason: str, asked_seconds: float | None = None) -> float | None:
        """How it went: with one of `OUTAGES` as the reason nobody answered, or asked to be left alone for `asked_seconds`.

        Gives in how many seconds the next may go, None when that is nobody's business here.
        """
        now = self.clock()
        if reason not in OUTAGES:
            self.heard(name)
            ended = self._failing.pop(name, None)
            if ended is not None and ended.failures >= TOLERATED:
                log.info("outage.ended", kind=self.kind, name=self.label(name), seconds=round(now - ended.since, 1))
                self.shown(self.label(name), True)
            return None
        outage = self._failing.setdefault(name, Outage(since=now))
        self.given_up(name, who)
        if now >= outage.resumes_at:
            outage.failures += 1
            if outage.failures == TOLERATED:
                log.warning("outage.begun", kind=self.kind, name=self.label(name), reason=reason)
                self.shown(self.label(name), False)
            outage.resumes_at = now
        # One that was sent before it was known says nothing new, but may have been asked for more.
        if outage.failures >= TOLERATED:
            again = Backoff(first_seconds=FIRST_DELAY_SECONDS, longest_seconds=LONGEST_DELAY_SECONDS, jitter=self.jitter)
            delay = again.after(outage.failures - TOLERATED + 1) if asked_seconds is None else asked_seconds
            outage.resumes_at = max(outage.resumes_at, now + delay)
            return outage.resumes_at - now
        return None
