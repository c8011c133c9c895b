"""Whose a tag is that we have led elsewhere, by what events say of pushes.

Where a tag leads says nothing of who led it there: it may have gone on, and come back. Whoever moves a tag pushes, and so our own
move is among the events as well.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from watcher.model.digest import Digest
from watcher.model.quarantine import TagMove
from watcher.publishing.protocol import TagPush

# Clocks of registries differ from ours, and events take their time.
DOUBT = timedelta(seconds=30)


def overtaking(move: TagMove, condemned: Digest, pushes: Sequence[TagPush]) -> TagPush | None:
    """What somebody has pushed by the tag since it was led away from the `condemned` image, if that was the last push by it.

    `pushes` are those since `move.asked_at - DOUBT`, the last first. What we had heard of before we looked is
    older than what we saw.
    """
    last = next(_of_others(move, pushes), None)
    return last if last is not None and last.digest != condemned and last.received_at >= move.asked_at else None


def is_last(move: TagMove, condemned: Digest, pushed: TagPush, pushes: Iterable[TagPush]) -> bool:
    """Whether nobody has pushed anything else by the tag after `pushed`. The condemned image itself does not count."""
    others = (each for each in _of_others(move, pushes) if each.at > pushed.at and each.verdict_id != pushed.verdict_id)
    return all(each.digest in {pushed.digest, condemned} for each in others)


def _of_others(move: TagMove, pushes: Iterable[TagPush]) -> Iterator[TagPush]:
    """Those that were not our move itself."""
    return (each for each in pushes if each.at >= move.asked_at - DOUBT and not _perhaps_ours(move, each))


def _perhaps_ours(move: TagMove, push: TagPush) -> bool:
    """Our write is heard of after we asked, and made until we said so. A sweep that finds where we led the tag has no news.

    What the event does not name may be anything; a tag that was taken away was not pushed.
    """
    if push.digest not in {move.to, None}:
        return False
    if not push.is_heard:
        return True
    is_over = move.moved_at is not None and push.at > move.moved_at + DOUBT
    return move.to is not None and push.received_at >= move.asked_at and not is_over
