"""Files of advisories become the one file that is read."""

import gzip
import json
import os
import sqlite3
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.advisory_data import at, encoded, osv, until
from watcher.advisories.documents import UnreadableError
from watcher.advisories.importing import NothingToImportError, Report, import_paths
from watcher.advisories.record import Exploited, Likelihood, Statement
from watcher.advisories.replacing import next_file
from watcher.advisories.status import status_of
from watcher.advisories.tables import open_read_only
from watcher.model.errors import BusyError, ConfigurationError

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CURL = osv("CVE-2026-1", at("Debian:12", "curl", *until("7")), aliases=["GHSA-c"])
FLASK = osv("GHSA-2", at("PyPI", "flask", *until("2")))


def imported(folder: Path, *records: dict[str, Any], name: str = "a.jsonl", now: datetime = NOW) -> Report:
    path = folder / name
    path.write_bytes(encoded(*records))
    return import_paths([path], folder / "advisories.db", now=now)


def rows(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = open_read_only(folder / "advisories.db")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def touched(folder: Path) -> set[tuple[str, str]]:
    """What the last import made another matter."""
    return {
        (ecosystem, package)
        for ecosystem, package in rows(
            folder,
            "SELECT name, package FROM touched JOIN ecosystem ON ecosystem.id = ecosystem"
            " WHERE import = (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'import')",
        )
    }


def revision(folder: Path) -> str:
    return status_of(folder / "advisories.db").revision


@pytest.mark.parametrize("form", ["a.json", "a.jsonl", "a.jsonl.gz", "all.zip", "folder"])
def test_every_form_of_the_same_records_is_the_same_data(tmp_path: Path, form: str) -> None:
    """A file, lines, compressed lines, an archive or a folder."""
    path = tmp_path / form
    if form == "folder":
        (path / ".git").mkdir(parents=True)
        (path / ".git" / "no.json").write_bytes(b"{}")
        (path / "deep").mkdir()
        for record in (CURL, FLASK):
            (path / "deep" / f"{record['id']}.json").write_text(json.dumps(record, indent=2))
    elif form == "all.zip":
        with zipfile.ZipFile(path, "w") as archive:
            for record in (CURL, FLASK):
                archive.writestr(f"{record['id']}.json", json.dumps(record))
    else:
        content = encoded(CURL, FLASK)
        path.write_bytes(gzip.compress(content) if form.endswith(".gz") else content)
    report = import_paths([path], tmp_path / "advisories.db", now=NOW)
    assert (report.counts.added, report.counts.touched, report.malformed_count) == (2, 2, 0)
    assert touched(tmp_path) == {("Debian:12", "curl"), ("PyPI", "flask")}


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    """The same records are the same revision, and no package is another matter."""
    imported(tmp_path, CURL, FLASK)
    os.utime(tmp_path / "a.jsonl", (0, NOW.timestamp()))
    import_paths([tmp_path / "a.jsonl"], tmp_path / "advisories.db", now=NOW)
    before = revision(tmp_path)
    report = import_paths([tmp_path / "a.jsonl"], tmp_path / "advisories.db", now=NOW)
    assert (report.counts.unchanged, report.counts.touched) == (2, 0)
    assert revision(tmp_path) == before


def test_the_order_of_records_does_not_matter(tmp_path: Path) -> None:
    """Two machines that imported the same have the same revision."""
    seen = set()
    for number, order in enumerate(((CURL, FLASK), (FLASK, CURL))):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "a.jsonl"
        path.write_bytes(encoded(*order))
        import_paths([path], folder / "advisories.db", now=NOW, as_of=NOW)
        seen.add(revision(folder))
    assert len(seen) == 1


def test_a_changed_record_concerns_old_and_new_packages(tmp_path: Path) -> None:
    imported(tmp_path, CURL, FLASK)
    report = imported(tmp_path, osv("CVE-2026-1", at("Debian:12", "wget", *until("1"))), FLASK)
    assert (report.counts.changed, report.counts.unchanged) == (1, 1)
    assert touched(tmp_path) == {("Debian:12", "curl"), ("Debian:12", "wget")}
    assert rows(tmp_path, "SELECT package FROM affected ORDER BY package") == [("flask",), ("wget",)]
    assert rows(tmp_path, "SELECT name FROM alias ORDER BY name") == [("CVE-2026-1",), ("GHSA-2",)]


def test_a_withdrawn_record_is_about_nothing_any_more(tmp_path: Path) -> None:
    imported(tmp_path, CURL)
    imported(tmp_path, CURL | {"withdrawn": "2026-02-01T00:00:00Z"})
    assert rows(tmp_path, "SELECT * FROM affected") == []
    assert touched(tmp_path) == {("Debian:12", "curl")}


def test_a_whole_archive_takes_out_what_it_does_not_have(tmp_path: Path) -> None:
    """Of its own family; what else is there stays."""
    imported(tmp_path, CURL, FLASK, osv("GHSA-3", at("PyPI", "django", *until("3"))))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("GHSA-2.json", json.dumps(FLASK))
    report = import_paths([tmp_path / "all.zip"], tmp_path / "advisories.db", now=NOW)
    assert report.counts.removed == 1
    assert rows(tmp_path, "SELECT name FROM advisory ORDER BY name") == [("CVE-2026-1",), ("GHSA-2",)]


def test_a_mention_is_no_coverage(tmp_path: Path) -> None:
    """Npm's list has records that are about PyPI too, which does not make it PyPI's."""
    both = osv("GHSA-4", at("PyPI", "x", *until("1")), at("npm", "x", *until("1")))
    imported(tmp_path, both, osv("GHSA-5", at("npm", "y", *until("1"))))
    assert {each.covers for each in status_of(tmp_path / "advisories.db").feeds} == {"", "npm"}


def test_a_fix_is_as_old_as_it_was_first_seen(tmp_path: Path) -> None:
    """One that comes to a known advisory is new; one that was there from the start is as old as the advisory; it stays that."""

    def since() -> float | None:
        from watcher.advisories.tables import AFFECTED

        ((body,),) = rows(tmp_path, "SELECT body FROM affected")
        return AFFECTED.decode(body)[0].since

    published = {"published": "2020-01-01T00:00:00Z"}
    imported(tmp_path, osv("C", at("npm", "x", {"introduced": "0"}), **published))
    assert since() is None
    imported(tmp_path, osv("C", at("npm", "x", *until("2")), **published) | {"modified": "2026-03-01T00:00:00Z"})
    assert since() == datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    imported(tmp_path, osv("C", at("npm", "x", *until("3")), **published) | {"modified": "2026-04-01T00:00:00Z"})
    assert since() == datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    imported(tmp_path, osv("D", at("npm", "y", *until("2")), **published), name="b.jsonl")
    assert rows(tmp_path, "SELECT count(*) FROM affected") == [(2,)]


def test_what_is_malformed_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{\n" + encoded(CURL) + b'{"id": 3}\n')
    report = import_paths([path], tmp_path / "advisories.db", now=NOW)
    assert (report.records, report.malformed_count) == (1, 2)
    assert [each.where for each in report.malformed] == [f"{path}:1", f"{path}:3"]


def test_nothing_to_import_replaces_nothing(tmp_path: Path) -> None:
    imported(tmp_path, CURL)
    before = (tmp_path / "advisories.db").read_bytes()
    with pytest.raises(NothingToImportError, match="cannot be read"):
        imported(tmp_path, {"no": "record"})
    assert (tmp_path / "advisories.db").read_bytes() == before


@pytest.mark.parametrize("damage", ["cut.gz", "cut.zip", "no.zip"])
def test_a_damaged_file_replaces_nothing(tmp_path: Path, damage: str) -> None:
    """Not even with what of it could be read."""
    imported(tmp_path, CURL)
    before = (tmp_path / "advisories.db").read_bytes()
    path = tmp_path / damage
    lines = encoded(*(osv(f"CVE-2026-{number}", at("npm", os.urandom(20).hex(), *until("1"))) for number in range(200)))
    if damage == "cut.gz":
        path = tmp_path / "cut.jsonl.gz"
        path.write_bytes(gzip.compress(lines)[:-100])
    elif damage == "cut.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", lines)
        content = bytearray(path.read_bytes())
        content[200:260] = bytes(60)
        path.write_bytes(content)
    else:
        path.write_bytes(b"no archive")
    with pytest.raises(UnreadableError, match=path.name):
        import_paths([path], tmp_path / "advisories.db", now=NOW)
    assert (tmp_path / "advisories.db").read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_one_import_at_a_time(tmp_path: Path) -> None:
    with next_file(tmp_path / "advisories.db", now=NOW), pytest.raises(BusyError):
        imported(tmp_path, CURL)
    imported(tmp_path, CURL)


def test_what_an_import_left_behind_is_no_hindrance(tmp_path: Path) -> None:
    """One that was killed leaves a part and an unlocked lock."""
    (tmp_path / ".advisories.db.part").write_bytes(b"half")
    (tmp_path / ".advisories.db.lock").write_bytes(b"")
    assert imported(tmp_path, CURL).counts.added == 1


def test_a_reader_keeps_the_file_it_opened(tmp_path: Path) -> None:
    imported(tmp_path, CURL)
    reader = open_read_only(tmp_path / "advisories.db")
    imported(tmp_path, osv("CVE-2026-1", at("Debian:12", "wget", *until("1"))))
    assert reader.execute("SELECT package FROM affected").fetchall() == [("curl",)]
    reader.close()


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(100)])
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    """It is not written over: it may be somebody's."""
    (tmp_path / "advisories.db").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"advisories\.db"):
        imported(tmp_path, CURL)
    assert (tmp_path / "advisories.db").read_bytes() == content


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    imported(tmp_path, CURL)
    with sqlite3.connect(tmp_path / "advisories.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    connection.close()
    with pytest.raises(ConfigurationError, match="another version"):
        imported(tmp_path, CURL)


def test_times_from_the_future_are_of_now(tmp_path: Path) -> None:
    """A clock that is wrong must not make data look younger than they are for ever."""
    (tmp_path / "a.jsonl").write_bytes(encoded(CURL))
    import_paths([tmp_path / "a.jsonl"], tmp_path / "advisories.db", now=NOW, as_of=NOW + timedelta(days=900))
    (feed,) = status_of(tmp_path / "advisories.db").feeds
    assert feed.as_of == NOW


def test_what_is_exploited_concerns_the_packages_of_the_vulnerability(tmp_path: Path) -> None:
    """Under whichever of its names; and again when it is no longer listed."""
    imported(tmp_path, CURL, FLASK)
    for entries in ([Exploited(id="GHSA-c")], []):
        with next_file(tmp_path / "advisories.db", now=NOW) as writer:
            writer.exploited(entries)
        assert touched(tmp_path) == {("Debian:12", "curl")}
    assert status_of(tmp_path / "advisories.db").exploited == 0


def test_a_probability_that_hardly_moves_concerns_nobody(tmp_path: Path) -> None:
    """All of them move a little every day."""
    imported(tmp_path, CURL)
    found = []
    for probability in (0.1, 0.1005, 0.3):
        with next_file(tmp_path / "advisories.db", now=NOW) as writer:
            writer.likelihoods([Likelihood(id="CVE-2026-1", probability=probability)])
        found.append(bool(touched(tmp_path)))
    assert found == [True, False, True]


def test_a_statement_takes_the_place_of_what_its_document_said(tmp_path: Path) -> None:
    imported(tmp_path, CURL, FLASK)
    said = Statement(ids=("CVE-2026-1",), products=("pkg:deb/debian/curl",), status="not_affected")
    for entries, count, concerned in (([said], 1, True), ([said], 1, False), ([], 0, True)):
        with next_file(tmp_path / "advisories.db", now=NOW) as writer:
            writer.statements("vex:a", entries)
        assert status_of(tmp_path / "advisories.db").statements == count
        assert touched(tmp_path) == ({("Debian:12", "curl")} if concerned else set())
