"""Bring a database to the tables that this version knows, or refuse it.

Alembic, which is large, is loaded where there is something to bring it to: which revisions there are say the names of their files,
one after the other.
"""

import re
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from watcher.kit.sqlite_engine import connect, refusal, sqlite_engine
from watcher.model.errors import ConfigurationError

VERSION_TABLE = "alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(path: Path) -> None:
    """Create or upgrade the tables, in one transaction: killed in the middle, nothing has happened. Repeating it changes nothing.

    Raises:
        ConfigurationError: the database was written by a newer version, is another program's, or cannot be written;
            StoreLockedError when another process holds it.
    """
    engine = sqlite_engine(path)
    try:
        with connect(engine, path) as connection, connection.begin():
            if not _is_current(connection, path):
                upgrade(connection, newest_revision())
    except DBAPIError as error:
        raise refusal(error, path, "its tables cannot be upgraded: ") from error
    finally:
        engine.dispose()


def require_current(path: Path) -> None:
    """Refuse tables that this version cannot read, without touching them: for a reader beside the daemon.

    Raises:
        ConfigurationError: older or newer tables, or none.
    """
    engine = sqlite_engine(path, read_only=True)
    try:
        with connect(engine, path) as connection, connection.begin():
            if not _is_current(connection, path):
                raise ConfigurationError(f"store {path}: its tables are of an older version: `watcher run` upgrades them")
    except DBAPIError as error:
        raise refusal(error, path) from error
    finally:
        engine.dispose()


def require_upgradable(path: Path) -> None:
    """Refuse tables that `migrate` would refuse, without touching them. Raises as it does."""
    # Reading a log beside the file makes its index, which may then belong to somebody else than the daemon's user.
    engine = sqlite_engine(path, read_only=True, at_rest=not Path(f"{path}-wal").exists())
    try:
        with connect(engine, path) as connection, connection.begin():
            _is_current(connection, path)
    except DBAPIError as error:
        raise refusal(error, path) from error
    finally:
        engine.dispose()


def known_revisions() -> frozenset[str]:
    """Of tables that this version can read or upgrade."""
    return frozenset(_revisions())


def newest_revision() -> str:
    """Of the tables that this version makes."""
    return max(_revisions())


def require_known(revision: str, path: Path) -> None:
    """Raises ConfigurationError for tables that only a newer version knows."""
    if revision not in known_revisions():
        raise ConfigurationError(
            f"store {path} was written by a newer version (tables {revision!r}): run that version or a later one"
        )


def _revisions() -> list[str]:
    """Each file of a revision begins with its number."""
    return [found[1] for path in (MIGRATIONS / "versions").iterdir() if (found := re.match(r"r(\d{4})_\w+\.py$", path.name))]


def upgrade(connection: Connection, revision: str) -> None:
    """Bring it to one revision, whatever it is."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _is_current(connection: Connection, path: Path) -> bool:
    tables = sqlalchemy.inspect(connection).get_table_names()
    noted = sqlalchemy.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608  a name of ours
    found = connection.execute(noted).scalar() if VERSION_TABLE in tables else None
    if found is None:
        strangers = [table for table in tables if table != VERSION_TABLE]
        if strangers:
            raise ConfigurationError(
                f"store {path} holds the tables of another program ({', '.join(strangers[:3])}): name another file"
            )
    else:
        require_known(str(found), path)
    return found == newest_revision()
