"""A registry whose images are attested, for every test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.keys import p256
from tests.doubles.publishing import publisher_context
from tests.doubles.referrer_bench import AttestingBench
from watcher.testing.registry import Switches, serve_registry


@pytest.fixture
def switches() -> Switches:
    return Switches()


@pytest.fixture
async def attesting(tmp_path: Path, switches: Switches) -> AsyncIterator[AttestingBench]:
    async with publisher_context(tmp_path / "w.db") as context, serve_registry(switches=switches) as registry:
        yield AttestingBench(registry=registry, context=context, pair=p256(tmp_path))
