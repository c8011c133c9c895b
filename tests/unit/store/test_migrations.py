"""The migrations create exactly the tables the code names, and nothing else is touched."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from watcher.backlog.joining import Heard
from watcher.backlog.protocol import Arrival
from watcher.backlog.sqlite_intake import take_in
from watcher.backlog.tables import metadata as backlog_tables
from watcher.kit.sqlite_engine import raw_connection, sqlite_engine
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.store.migrate import MIGRATIONS, known_revisions, migrate, newest_revision, require_current, upgrade
from watcher.store.tables import metadata as store_tables


def _contents(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return rows


def test_the_migrated_tables_are_those_of_the_code(tmp_path: Path) -> None:
    """Columns, keys and indexes of both rooms are what the migrations leave behind."""
    path = tmp_path / "watcher.db"
    migrate(path)
    both = MetaData()
    for table in (*backlog_tables.sorted_tables, *store_tables.sorted_tables):
        table.to_metadata(both)
    engine = sqlite_engine(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, both)
    engine.dispose()
    assert differences == []


def test_edges_are_stored_once(tmp_path: Path) -> None:
    """Tables that are little but their key are clustered by it, which halves them; comparing metadata does not see it."""
    path = tmp_path / "watcher.db"
    migrate(path)
    clustered = {name for name, sql in _contents(path) if "WITHOUT ROWID" in sql}
    assert clustered == {"held_image", "image_set", "set_package"}


@pytest.mark.parametrize("tables", [backlog_tables, store_tables])
def test_postgresql_would_take_the_same_tables(tables: MetaData) -> None:
    """Nothing in the tables is SQLite's alone."""
    for table in tables.sorted_tables:
        text = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        assert "ROWID" not in text


def test_files_of_revisions_are_named_after_them() -> None:
    """What is read from their names, without loading them, is what alembic finds in them."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}
    assert newest_revision() == scripts.get_current_head()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    """A start on a current store leaves it as it is."""
    path = tmp_path / "watcher.db"
    migrate(path)
    before = _contents(path)
    migrate(path)
    require_current(path)
    assert _contents(path) == before


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Tables from the future are not touched; the message says what to run."""
    path = tmp_path / "watcher.db"
    migrate(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for check in (migrate, require_current):
        with pytest.raises(ConfigurationError, match=r"written by a newer version \(tables '9999'\)"):
            check(path)


def test_the_inbox_of_the_first_version_is_kept(tmp_path: Path) -> None:
    """Its events are still recognised when they come again, and its jobs still joined."""
    path = tmp_path / "watcher.db"
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        upgrade(connection, "0001")
        connection.exec_driver_sql(
            """INSERT INTO event (id, source, delivery_key, put_at, received_at, fate, reason, detail, registry, repository, tag,
            digest, job_id) VALUES (7, 'main', 'k', 1e12, 0, 'accepted', '', '', 'h', 'r', 'v1', 'd', 'j')"""
        )
        connection.exec_driver_sql(
            """INSERT INTO job (seq, id, lane, state, subject, registry, repository, tag, digest, tags, source, received_at, put_at,
            due_at, attempts, reason, detail) VALUES (9, 'j', 'push', 'waiting', 'h/r@d', 'h', 'r', 'v1', 'd', 'v1', 'main', 0, 0,
            0, 0, '', '')"""
        )
    migrate(path)
    push = Push(registry=Host("h"), repository=RepositoryName("r"), digest=Digest("d"), tag=Tag("v2"))
    again = Arrival(source="main", decision=Pushed(push=push), delivery_key="k", received_at=datetime.now(UTC))
    with engine.begin() as connection:
        receipts = take_in(raw_connection(connection), [again, replace(again, delivery_key="l")], 2.0, Heard())
        kept = connection.exec_driver_sql("SELECT id, fate FROM event WHERE id = 7").all()
        tags = connection.exec_driver_sql("SELECT seq, tags FROM job").all()
    engine.dispose()
    assert [(each.reason, each.job_id) for each in receipts] == [("delivery", "j"), ("joined", "j")]
    assert (kept, tags) == ([(7, "accepted")], [(9, "v1 v2")])


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A database with tables of its own is not made ours."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cookies (id INTEGER)")
    connection.close()
    with pytest.raises(ConfigurationError, match=r"another program \(cookies\)"):
        migrate(path)


def test_a_reader_asks_for_tables_it_can_read(tmp_path: Path) -> None:
    """A reader upgrades nothing: it says who does."""
    path = tmp_path / "watcher.db"
    sqlite3.connect(path).close()
    with pytest.raises(ConfigurationError, match="`watcher run` upgrades them"):
        require_current(path)


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed or refused in the middle, an upgrade has not happened: it is one transaction."""
    path = tmp_path / "watcher.db"

    def fill_the_disk(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 20")

    engine = sqlite_engine(path)
    monkeypatch.setattr("watcher.store.migrate.sqlite_engine", lambda _: engine)
    event.listen(engine, "connect", fill_the_disk)
    with pytest.raises(ConfigurationError, match="cannot be upgraded: database or disk is full"):
        migrate(path)
    assert _contents(path) == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """What is not SQLite is named as such."""
    path = tmp_path / "watcher.yaml"
    path.write_text("registries: []\n" * 100)
    with pytest.raises(ConfigurationError, match="file is not a database"):
        migrate(path)
