"""A process that stood still knows it."""

import asyncio
import time

from watcher.kit.standstill import Standstill


async def test_a_standstill_is_heard_of_before_any_limit_that_ran_out_in_it() -> None:
    """Whoever looks when its limit has passed finds it; what was merely busy is none."""
    async with Standstill(tick_seconds=0.01, late_seconds=0.3) as standstill:
        await asyncio.sleep(0.05)
        assert standstill.seconds == 0.0
        try:
            async with asyncio.timeout(0.2):
                await asyncio.sleep(0.05)
                time.sleep(0.5)  # noqa: ASYNC251 - as if the process were stopped
                await asyncio.sleep(60)
        except TimeoutError:
            found = standstill.seconds
    assert found > 0.3
