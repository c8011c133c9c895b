"""What several of the sources' tests need."""

from collections.abc import AsyncIterator

import pytest

from tests.doubles.sqs_scripted import ScriptedQueue, scripted_queue


@pytest.fixture
async def service() -> AsyncIterator[ScriptedQueue]:
    async with scripted_queue() as service:
        yield service
