"""The salt under which this deployment fingerprints secrets: made once, kept as long as the store.

It is no credential. It keeps fingerprints of one deployment from being compared with those of another, or with a list.
"""

from sqlalchemy import Connection, select

from watcher.store.statements import Transactions, insert_new
from watcher.store.tables import deployment

NAME = "fingerprint-salt"


async def stored_salt(database: Transactions, fresh: bytes) -> bytes:
    """The salt; `fresh` becomes it when there is none yet."""

    def write(connection: Connection) -> bytes:
        insert_new(connection, deployment, [{"name": NAME, "value": fresh}])
        salt: bytes = connection.execute(select(deployment.c.value).where(deployment.c.name == NAME)).scalar_one()
        return salt

    return await database.write(write)
