"""What waits for longer than anything is waited for."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import sending
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.kit.units import seconds
from watcher.model.publication import PublishFailed, PublishLater
from watcher.publishing.quarantine.publisher import HeldError
from watcher.publishing.quarantine.settings import LONGEST_RELEASE_SECONDS, QuarantinePublisherSettings
from watcher.store.outbox import PATIENCE, StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts


def test_what_would_never_be_released_is_refused() -> None:
    """What waits in the outbox is given up after a week; a day of it is for a registry that is down."""
    with pytest.raises(ValueError, match="release_after 8d: 6d at most"):
        QuarantinePublisherSettings(release_after="8d")
    assert seconds(QuarantinePublisherSettings(release_after="6d").release_after) == LONGEST_RELEASE_SECONDS
    assert timedelta(seconds=LONGEST_RELEASE_SECONDS) < PATIENCE


async def test_what_is_held_for_a_week_is_a_dead_letter_and_can_be_told_again(tmp_path: Path) -> None:
    """As at every start, of what is held: its publication is given up, its quarantine is not."""
    clock, failed = HandClock(), None
    async with open_database(tmp_path / "watcher.db") as database:
        outbox, verdicts = StoredOutbox(database, clock), StoredVerdicts(database, clock)
        await verdicts.record([Judged(verdict=a_verdict(id="v-1"))], sending({"v-1": ["block"]}))
        for _ in range(20):
            (due,) = await outbox.due(9)
            later = PublishLater(reason=HeldError.reason, detail="", delay_seconds=900.0, outside=HeldError.outside)
            failed = await outbox.settle(due, later)
            if failed is not None:
                break
            clock.advance(43_200)
        assert isinstance(failed, PublishFailed)
        assert failed.reason == "quarantine-held"
        await verdicts.told_again(SUBJECT, ["block"])
        assert len(await outbox.due(9)) == 1
