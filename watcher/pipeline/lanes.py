"""Which lanes a free slot may be given to. Pure: what runs goes in, what may begin comes out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from watcher.backlog.protocol import Lane

# The most urgent lane first. Of every five slots one is kept for CI and two are closed to bulk work: a push never waits behind a
# sweep.
SHARES: Mapping[Lane, float] = {Lane.CI: 1.0, Lane.PUSH: 0.8, Lane.REEVALUATE: 0.6, Lane.SWEEP: 0.4}

# A job that is under way for longer than an ordinary one takes waits for its registry, or for its layers' turn. It gives its slot
# to the next, so that eight of them do not keep everybody waiting; so many of each lane, since each holds what it has heard.
LONG_SECONDS = 2.0
LONG_JOBS = 16


def in_slots(running: Iterable[tuple[Lane, float]], *, long_seconds: float = LONG_SECONDS) -> Sequence[Lane]:
    """The lanes of the jobs that hold a slot; `running` has the lane of each under way, and for how many seconds."""
    held: list[Lane] = []
    long = Counter[Lane]()
    for lane, seconds in running:
        if seconds > long_seconds and long[lane] < LONG_JOBS:
            long[lane] += 1
        else:
            held.append(lane)
    return held


def open_lanes(running: Iterable[Lane], *, slots: int) -> Sequence[Lane]:
    """The lanes that still have a slot, the most urgent first; `running` has the lane of each job that holds one.

    A lane shares its slots with every lane less urgent than itself: when they are taken, all of these wait.
    """
    counted, order = Counter(running), tuple(SHARES)
    found: list[Lane] = []
    for position, lane in enumerate(order):
        taken = sum(counted[other] for other in order[position:])
        if taken >= max(1, round(slots * SHARES[lane])):
            break
        found.append(lane)
    return found
