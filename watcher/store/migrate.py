"""Bring a database to the tables that this version knows, or refuse it."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from watcher.kit.sqlite_engine import connect, refusal, sqlite_engine
from watcher.model.errors import ConfigurationError

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
            config = _config()
            if not _is_current(connection, config, path):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
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
            if not _is_current(connection, _config(), path):
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
            _is_current(connection, _config(), path)
    except DBAPIError as error:
        raise refusal(error, path) from error
    finally:
        engine.dispose()


def known_revisions() -> frozenset[str]:
    """Of tables that this version can read or upgrade."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def newest_revision() -> str | None:
    """Of the tables that this version makes."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def require_known(revision: str, path: Path) -> None:
    """Raises ConfigurationError for tables that only a newer version knows."""
    if revision not in known_revisions():
        raise ConfigurationError(
            f"store {path} was written by a newer version (tables {revision!r}): run that version or a later one"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _is_current(connection: Connection, config: Config, path: Path) -> bool:
    found = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    if found is None:
        strangers = sqlalchemy.inspect(connection).get_table_names()
        if strangers:
            raise ConfigurationError(
                f"store {path} holds the tables of another program ({', '.join(strangers[:3])}): name another file"
            )
    else:
        require_known(found, path)
    return found == scripts.get_current_head()
