"""Takes back what was done to an image, as far as nobody else has changed it since."""

from dataclasses import replace

from watcher.kit.clock import Clock
from watcher.model.quarantine import Measure, Quarantine, QuarantineState, StepState
from watcher.publishing.protocol import Pushes, Quarantines
from watcher.publishing.quarantine.pushed import DOUBT, overtaking
from watcher.publishing.quarantine.steps import Ground

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
) -> Quarantine:
    """The image can be pulled as before: by what the registry itself did first, then by its tags, then without its marker.

    Under the image's lock. `by` is who wants it. Ended between two steps, it goes on when called again. Raises as `Ground`.
    """

    async def keep(changed: Quarantine) -> Quarantine:
        await quarantines.keep(replace(changed, changed_at=clock()))
        return changed

    record = await keep(replace(record, state=QuarantineState.RELEASING, ended_by=by, ended_reason=reason, excused=excused))
    if record.has(Measure.NATIVE, *PERHAPS):
        record = await keep(record.with_step(Measure.NATIVE, await ground.unblock()))
    for move in record.tags:
        if move.state in PERHAPS:
            pushed = await pushes.pushes(record.registry, record.repository, move.tag, move.asked_at - DOUBT)
            other = overtaking(move, record.digest, pushed)
            objection = f"{other.digest or 'something'} was pushed by it since" if other is not None else ""
            record = await keep(record.with_move(await ground.move_back(move, objection=objection)))
    if record.has(Measure.MARK, *PERHAPS):
        record = await keep(record.with_step(Measure.MARK, await ground.unmark()))
    return await keep(replace(record, state=QuarantineState.RELEASED))


def ended(record: Quarantine, *, by: str, reason: str, excused: str = "") -> Quarantine:
    """It is over, and nothing is to be taken back. What was only planned was never done."""
    steps = {name: step for name, step in record.steps.items() if step.state is not StepState.PLANNED}
    tags = tuple(each for each in record.tags if each.state is not StepState.PLANNED)
    over = replace(record, state=QuarantineState.RELEASED, steps=steps, tags=tags)
    return replace(over, ended_by=by, ended_reason=reason, excused=excused)
