"""Takes back what was done to an image, as far as nobody else has changed it since."""

from collections.abc import Collection
from dataclasses import replace

from watcher.kit.clock import Clock
from watcher.model.errors import AuthenticationError
from watcher.model.quarantine import Measure, Quarantine, QuarantineState, StepState
from watcher.model.reference import Tag
from watcher.publishing.protocol import Pushes, Quarantines
from watcher.publishing.quarantine.pushed import DOUBT, overtaking
from watcher.publishing.quarantine.steps import Ground

BY_TAG = "the image may be condemned because of this tag, and was not judged by it since: push it by the tag again"
# What was about to be done may have been done.
PERHAPS = (StepState.DONE, StepState.INTENDED)


async def release(
    record: Quarantine,
    ground: Ground,
    quarantines: Quarantines,
    pushes: Pushes,
    clock: Clock,
    *,
    by: str,
    reason: str,
    excused: str = "",
    kept_away: Collection[Tag] = (),
) -> Quarantine:
    """The image can be pulled as before: by what the registry itself did first, then by its tags, then without its marker.

    Under the image's lock. `by` is who wants it; the tags `kept_away` do not lead to it again. Ended between two
    steps, it goes on when called again. Raises as `Ground`; AuthenticationError when every tag was tried, so that one that is
    refused keeps back no other.
    """

    async def keep(changed: Quarantine) -> Quarantine:
        await quarantines.keep(replace(changed, changed_at=clock()))
        return changed

    record = await keep(replace(record, state=QuarantineState.RELEASING, ended_by=by, ended_reason=reason, excused=excused))
    if record.has(Measure.NATIVE, *PERHAPS):
        record = await keep(record.with_step(Measure.NATIVE, await ground.unblock()))
    refused: AuthenticationError | None = None
    for move in record.tags:
        if move.state not in PERHAPS:
            continue
        try:
            pushed = await pushes.pushes(record.registry, record.repository, move.tag, move.asked_at - DOUBT)
            other = overtaking(move, record.digest, pushed)
            objection = BY_TAG if move.tag in kept_away else ""
            if other is not None:
                objection = f"{other.digest or 'something'} was pushed by it since"
            record = await keep(record.with_move(await ground.move_back(move, objection=objection)))
        except AuthenticationError as error:
            refused = refused or error
    if record.has(Measure.MARK, *PERHAPS):
        record = await keep(record.with_step(Measure.MARK, await ground.unmark()))
    if refused is not None:
        raise refused
    return await keep(replace(record, state=QuarantineState.RELEASED))


def ended(record: Quarantine, *, by: str, reason: str, excused: str = "") -> Quarantine:
    """It is over, and nothing is to be taken back. What was only planned was never done."""
    steps = {name: step for name, step in record.steps.items() if step.state is not StepState.PLANNED}
    tags = tuple(each for each in record.tags if each.state is not StepState.PLANNED)
    over = replace(record, state=QuarantineState.RELEASED, steps=steps, tags=tags)
    return replace(over, ended_by=by, ended_reason=reason, excused=excused)
