"""Which format a file is of, and what its records come to in the data."""

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.advisory_data import at, encoded, osv, until
from watcher.advisories.formats.catalog import READERS, format_of
from watcher.advisories.importing import NothingToImportError, Report, import_paths
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.status import Status, status_of
from watcher.advisories.tables import open_read_only

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RUSTSEC = '```toml\n[advisory]\nid = "RUSTSEC-2026-1"\npackage = "a"\n[versions]\npatched = ["> 1"]\n```\n'
PYPA = "id: PYSEC-2026-1\naffected: [{package: {ecosystem: PyPI, name: a}, ranges: [{events: [{introduced: 0}]}]}]\n"
KEV = {"title": "KEV", "vulnerabilities": [{"cveID": "CVE-2026-0001", "dateAdded": "2026-01-01"}]}
EPSS = "cve,epss,percentile\nCVE-2026-0001,0.5,0.9\n"
OPENVEX_STATEMENT = {"vulnerability": {"name": "CVE-2026-0001"}, "products": [{"@id": "pkg:deb/debian/curl"}], "status": "fixed"}
OPENVEX = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/1", "statements": [OPENVEX_STATEMENT]}
CSAF = {
    "document": {"csaf_version": "2.0", "tracking": {"id": "EX-1"}},
    "product_tree": {"full_product_names": [{"name": "curl", "product_id": "A"}]},
    "vulnerabilities": [{"cve": "CVE-2026-0001", "product_status": {"fixed": ["A"]}}],
}


def secdb(repository: str) -> str:
    package = {"name": "curl", "secfixes": {"8-r0": ["CVE-2026-0001"]}}
    return json.dumps({"distroversion": "v3.19", "reponame": repository, "packages": [{"pkg": package}]})


def tracker(*identifiers: str, status: str = "open") -> dict[str, Any]:
    return {"curl": {identifier: {"releases": {"bookworm": {"status": status}}} for identifier in identifiers}}


WRITTEN = {
    "osv": ("a.json", json.dumps(osv("CVE-2026-0001", at("Debian:12", "curl", *until("7"))))),
    "rustsec": ("RUSTSEC-2026-1.md", RUSTSEC),
    "pypa": ("PYSEC-2026-1.yaml", PYPA),
    "secdb": ("main.json", secdb("main")),
    "debian-tracker": ("tracker.json", json.dumps(tracker("CVE-2026-0001"))),
    "kev": ("kev.json", json.dumps(KEV)),
    "epss": ("epss.csv", EPSS),
    "openvex": ("vex.json", json.dumps(OPENVEX)),
    "csaf": ("csaf.json", json.dumps(CSAF)),
}
FEEDS = {
    "osv": "osv:Debian",
    "secdb": "secdb:Alpine:v3.19/main",
    "openvex": "vex:https://example.com/1",
    "csaf": "vex:EX-1",
}


def imported(folder: Path, **files: str) -> Report:
    """Import texts; `_` in their names stands for a dot."""
    given = folder / "given"
    given.mkdir(exist_ok=True)
    for file in given.iterdir():
        file.unlink()
    for name, text in files.items():
        (given / name.replace("_", ".")).write_text(text)
    return import_paths([given], folder / "advisories.db", now=NOW)


def names(folder: Path) -> set[str]:
    connection = open_read_only(folder / "advisories.db")
    try:
        return {name for (name,) in connection.execute("SELECT name FROM advisory")}
    finally:
        connection.close()


def status(folder: Path) -> Status:
    return status_of(folder / "advisories.db")


def test_every_format_has_its_example() -> None:
    """A format that is not tried here could be taken for another."""
    assert WRITTEN.keys() == READERS.keys()


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_file_is_told_by_what_is_in_it(kind: str) -> None:
    """Whatever it is called, but for its suffix."""
    name, text = WRITTEN[kind]
    assert format_of(text.encode(), name=f"x/y{Path(name).suffix}") == kind


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_format_comes_into_the_data(tmp_path: Path, kind: str) -> None:
    """Each in the feed that it grows old with."""
    name, text = WRITTEN[kind]
    (tmp_path / name).write_text(text)
    report = import_paths([tmp_path / name], tmp_path / "advisories.db", now=NOW)
    assert (report.records, report.malformed_count, report.feeds) == (1, 0, [FEEDS.get(kind, kind)])
    found = status(tmp_path)
    kinds = {"kev": found.exploited, "epss": found.likelihoods, "openvex": found.statements, "csaf": found.statements}
    assert kinds.get(kind, len(names(tmp_path))) == 1


@pytest.mark.parametrize(("name", "text"), [("README.md", "# Advisories"), ("a.yaml", "name: x"), ("b.toml", "a = 1")])
def test_what_is_no_advisory_is_counted(tmp_path: Path, name: str, text: str) -> None:
    """Folders of advisories have other texts beside them."""
    report = imported(tmp_path, **{name.replace(".", "_"): text, "kev_json": json.dumps(KEV)})
    assert (report.records, report.others, report.malformed_count) == (1, 1, 0)


NOTHING = ["{", "[]", '{"a": 1}', '{"packages": 3}', '{"vulnerabilities": 3}', '{"a": {"b": {"releases": 3}}}']


@pytest.mark.parametrize("text", NOTHING)
def test_json_of_no_format_is_named(tmp_path: Path, text: str) -> None:
    """It may have been meant to be one."""
    report = imported(tmp_path, bad_json=text, kev_json=json.dumps(KEV))
    assert report.malformed_count == 1
    assert report.malformed[0].where.startswith(str(tmp_path / "given" / "bad.json"))
    with pytest.raises(NothingToImportError):
        imported(tmp_path, bad_json=text)


def test_the_whole_tracker_takes_out_what_it_does_not_have(tmp_path: Path) -> None:
    """Of itself; what OSV says of Debian stays."""
    imported(tmp_path, a_json=WRITTEN["osv"][1], tracker_json=json.dumps(tracker("CVE-2026-0001", "CVE-2026-0002")))
    imported(tmp_path, tracker_json=json.dumps(tracker("CVE-2026-0002")))
    assert names(tmp_path) == {"CVE-2026-0001", "DEBIAN-CVE-2026-0002"}
    assert {(each.name, each.covers) for each in status(tmp_path).feeds} == {("osv:Debian", "Debian"), ("debian-tracker", "Debian")}


def test_a_list_that_was_read_in_part_takes_out_nothing(tmp_path: Path) -> None:
    """What could not be read may be what seems to be gone."""
    imported(tmp_path, tracker_json=json.dumps(tracker("CVE-2026-0001", "CVE-2026-0002")))
    damaged = tracker("CVE-2026-0002")["curl"] | tracker("CVE-2026-0001", status="?")["curl"]
    report = imported(tmp_path, tracker_json=json.dumps({"curl": damaged}))
    assert (report.malformed_count, report.counts.removed) == (1, 0)
    assert names(tmp_path) == {"DEBIAN-CVE-2026-0001", "DEBIAN-CVE-2026-0002"}
    (feed,) = status(tmp_path).feeds
    assert feed.malformed == 1


def test_a_damaged_record_of_an_archive_is_as_it_was(tmp_path: Path) -> None:
    """The others that the archive does not have any more are taken out."""
    kept, gone, stays = (osv(f"GHSA-{number}", at("npm", "x", *until("1"))) for number in range(3))
    for records in ((kept, gone, stays), ({"id": 3}, None, stays)):
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for number, record in enumerate(records):
                if record is not None:
                    archive.writestr(f"GHSA-{number}.json", encoded(record))
        report = import_paths([tmp_path / "all.zip"], tmp_path / "advisories.db", now=NOW)
    assert report.counts.removed == 1
    assert names(tmp_path) == {"GHSA-0", "GHSA-2"}


def test_a_whole_archive_takes_nothing_out_of_another_ecosystem(tmp_path: Path) -> None:
    """Npm's has records that are about PyPI first. It is not the list of PyPI."""
    both = osv("GHSA-1", at("PyPI", "x", *until("1")), at("npm", "x", *until("1")))
    imported(tmp_path, a_json=json.dumps(osv("PYSEC-1", at("PyPI", "flask", *until("2")))))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("GHSA-1.json", json.dumps(both))
        archive.writestr("GHSA-2.json", json.dumps(osv("GHSA-2", at("npm", "y", *until("1")))))
    import_paths([tmp_path / "all.zip"], tmp_path / "advisories.db", now=NOW)
    assert names(tmp_path) == {"PYSEC-1", "GHSA-1", "GHSA-2"}


def test_a_release_of_alpine_is_covered_by_both_of_its_repositories(tmp_path: Path) -> None:
    """A package does not say which one it is from, so one of them alone is not everything there is."""

    def covered() -> set[str]:
        return {each.covers for each in status(tmp_path).feeds if each.covers}

    imported(tmp_path, main_json=secdb("main"))
    assert covered() == set()
    imported(tmp_path, community_json=secdb("community"))
    assert covered() == {"Alpine:v3.19"}


def test_data_are_as_old_as_what_covers_them(tmp_path: Path) -> None:
    """Of two lists of all of PyPI the younger counts, of the two halves of an Alpine the older."""
    files = {
        "a.json": osv("CVE-2026-0001", at("PyPI", "a", *until("7"))),
        "a.yaml": None,
        "main.json": None,
        "community.json": None,
    }
    texts = {"a.yaml": PYPA, "main.json": secdb("main"), "community.json": secdb("community")}
    for days, (name, record) in enumerate(files.items()):
        (tmp_path / name).write_text(json.dumps(record) if record else texts[name])
        import_paths([tmp_path / name], tmp_path / "advisories.db", now=NOW, as_of=NOW - timedelta(days=days))
    data = AdvisoryFile(tmp_path / "advisories.db")
    assert (data.as_of("PyPI"), data.as_of("Alpine:v3.19")) == (NOW, NOW - timedelta(days=3))
    data.close()


def test_repositories_of_alpine_add_up(tmp_path: Path) -> None:
    """The same vulnerability has one record in each."""
    report = imported(tmp_path, main_json=secdb("main"), community_json=secdb("community"))
    assert report.counts.added == 2
    assert status(tmp_path).ecosystems == {"Alpine:v3.19": 2}


def test_a_document_of_vex_takes_the_place_of_what_it_said(tmp_path: Path) -> None:
    """Documents are told by their ids, or by what their files are called; those of one id are taken together."""
    nameless = OPENVEX | {"@id": ""}
    for _ in range(2):
        imported(tmp_path, a_json=json.dumps(OPENVEX), b_json=json.dumps(nameless), c_json=json.dumps(nameless))
        assert status(tmp_path).statements == 3
    imported(tmp_path, c_json=json.dumps(OPENVEX | {"statements": [OPENVEX_STATEMENT, OPENVEX_STATEMENT | {"status": "affected"}]}))
    assert status(tmp_path).statements == 4
    assert all(each.as_of is None for each in status(tmp_path).feeds)
