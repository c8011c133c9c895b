"""The write that shows whether writing is possible."""

import os

from sqlalchemy import Connection, update

from watcher.store.statements import insert_new
from watcher.store.tables import deployment

NAME = "write-trial"
# Two pages and what is around them: about what an event takes. Less could still fit where no event does.
TRIAL_BYTES = 8192


def write_trial(connection: Connection) -> None:
    """Replace a row that nobody reads by another of the same size."""
    value = os.urandom(TRIAL_BYTES)
    if connection.execute(update(deployment).where(deployment.c.name == NAME).values(value=value)).rowcount == 0:
        insert_new(connection, deployment, [{"name": NAME, "value": value}])
