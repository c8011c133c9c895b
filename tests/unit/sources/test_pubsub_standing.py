"""Whether a stream stands, from what happens to it."""

import asyncio

import pytest

from tests.doubles.virtual_time import now, virtual_time
from watcher.model.errors import RetryableError
from watcher.sources.pubsub_stream_client_errors import DeniedError, UnreachableError
from watcher.sources.pubsub_stream_standing import GRACE_ATTEMPTS, GRACE_SECONDS, SETTLED_SECONDS, SilentError, Standing

GONE = UnreachableError("gone")
DENIED = DeniedError("denied")


@pytest.fixture
def standing() -> Standing:
    return Standing("news", timeout_seconds=30.0)


@virtual_time
async def test_a_stream_that_is_not_refused_stands(standing: Standing) -> None:
    """Nothing has to come: a subscription may be silent for weeks."""
    standing.opened(1)
    standing.reached(1)
    await standing.stands()
    assert now() == SETTLED_SECONDS


@virtual_time
async def test_a_message_says_at_once_that_a_stream_stands(standing: Standing) -> None:
    """Before anything else does."""
    standing.opened(1)
    standing.heard()
    async with asyncio.timeout(0):
        await standing.stands()


@virtual_time
async def test_a_stream_without_a_connection_never_stands(standing: Standing) -> None:
    """It is given up after `timeout`."""
    standing.opened(1)
    with pytest.raises(SilentError, match=r"did not answer in 30 s"):
        await standing.stands()


@virtual_time
async def test_a_refusal_is_the_reason(standing: Standing) -> None:
    """The first stream of a client gets no second chance."""
    standing.opened(1)
    standing.reached(1)
    standing.broke(1, DENIED)
    with pytest.raises(DeniedError):
        await standing.stands()


@virtual_time
async def test_a_stream_that_is_made_anew_in_a_moment_was_never_gone(standing: Standing) -> None:
    """The service ends every one now and then."""
    standing.opened(1)
    standing.heard()
    falling = asyncio.create_task(standing.falls(), name="falls")
    for number in (2, 3, 4):
        await asyncio.sleep(0)
        standing.broke(number - 1, GONE)
        standing.opened(number)
        standing.reached(number)
        await standing.stands()
    assert not falling.done()
    falling.cancel()


@virtual_time
async def test_a_stream_that_stays_away_is_gone(standing: Standing) -> None:
    """With what was last said of it."""
    standing.opened(1)
    standing.heard()
    standing.broke(1, GONE)
    with pytest.raises(UnreachableError, match="gone"):
        await standing.falls()
    assert now() == GRACE_SECONDS


@virtual_time
async def test_a_stream_that_fails_again_and_again_is_gone_at_once(standing: Standing) -> None:
    """A moment of grace is not for every attempt."""
    standing.opened(1)
    standing.heard()
    for number in range(1, GRACE_ATTEMPTS + 2):
        standing.opened(number)
        standing.broke(number, GONE)
    with pytest.raises(UnreachableError):
        await standing.falls()
    assert now() == 0


@virtual_time
async def test_what_happened_to_a_former_stream_is_no_news(standing: Standing) -> None:
    """Threads tell in any order."""
    standing.opened(2)
    standing.heard()
    standing.broke(1, GONE)
    standing.reached(1)
    await standing.stands()


@virtual_time
async def test_the_first_end_is_the_one_that_counts(standing: Standing) -> None:
    """What the client says after it is only what it did about it."""
    standing.opened(1)
    standing.over(DENIED)
    standing.over(GONE)
    with pytest.raises(RetryableError) as caught:
        await standing.falls()
    assert caught.value is DENIED
