"""The loop breaker: an image that is announced again and again, by our own publications or by somebody's loop, costs little."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from watcher.backlog.protocol import SUPPRESSED, Done, Retry
from watcher.model.reference import Tag
from watcher.store.protocol import Evaluation

WINDOW = timedelta(minutes=10)
# Evaluations of one (registry, repository, digest) within WINDOW under one revision of policy and data. A person who pushes again
# by hand stays below; what is above is a machine.
MOST = 5


def suppression(
    recent: Sequence[Evaluation], *, policy_revision: str, tags: Sequence[Tag], known: Sequence[Tag], stands: bool, now: datetime
) -> Done | Retry | None:
    """What becomes of a job whose digest was judged often enough; None when it is to be judged.

    `recent` are the evaluations since `now - WINDOW`, newest first. Judging again under the same revisions would say the same, so
    nothing is lost while one of them `stands`; what was gone and is back, a tag that no verdict names yet, or one that is not
    among the `known` any more, wait until there is room again. To wait counts no attempt, since every event that joins asks for
    a look. What a clock that was ahead dated after `now` does not count.
    """
    same = [
        each
        for each in recent
        if each.policy_revision == policy_revision and each.data_revision == recent[0].data_revision and each.evaluated_at <= now
    ]
    if len(same) < MOST:
        return None
    if stands and {*tags} <= {*same[0].tags} & {*known}:
        return Done(result=SUPPRESSED)
    room_at = same[MOST - 1].evaluated_at + WINDOW
    detail = f"judged {len(same)} times within {WINDOW.total_seconds() / 60:g} minutes, by the same policies and data"
    return Retry(reason=SUPPRESSED, detail=detail, delay_seconds=max((room_at - now).total_seconds(), 1.0), outside=True)
