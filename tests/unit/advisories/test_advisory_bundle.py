"""The data as one file, carried to where there is no network."""

import hashlib
import json
import sqlite3
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from click.testing import CliRunner

from tests.doubles.advisory_data import advisory_data, at, osv, until
from watcher.advisories.bundle import DamagedBundleError, Manifest, export_bundle, is_bundle
from watcher.advisories.importing import Report, import_paths
from watcher.advisories.merging import import_bundle
from watcher.advisories.record import Exploited, Likelihood
from watcher.advisories.replacing import next_file
from watcher.advisories.status import status_of
from watcher.advisories.tables import open_read_only
from watcher.cli.app import watcher
from watcher.model.errors import ConfigurationError

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
CURL = osv("CVE-2026-1", at("Debian:12", "curl", *until("7")), aliases=["GHSA-c"], published="2026-01-01T00:00:00Z")
FLASK = osv("GHSA-2", at("PyPI", "flask", *until("2")))
STATEMENT = {"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/curl"}], "status": "not_affected"}


def vex(folder: Path, identifier: str) -> None:
    document = {"@context": "https://openvex.dev/ns", "@id": identifier, "statements": [STATEMENT]}
    (folder / "vex.json").write_text(json.dumps(document))
    import_paths([folder / "vex.json"], folder / "advisories.db", now=NOW)


class Two:
    """A machine with a network and one without."""

    def __init__(self, folder: Path) -> None:
        self.outside, self.inside = folder / "outside", folder / "inside"
        self.outside.mkdir()
        self.inside.mkdir()
        self.bundle = folder / "bundle"

    def know(self, *records: dict[str, Any], now: datetime = NOW) -> None:
        advisory_data(self.outside, *records, now=now)

    def carry(self, now: datetime = NOW) -> Report:
        export_bundle(self.outside / "advisories.db", self.bundle, replace=True)
        return import_bundle(self.bundle, self.inside / "advisories.db", now=now)

    def rows(self, statement: str, side: str = "inside") -> list[tuple[Any, ...]]:
        connection = open_read_only(getattr(self, side) / "advisories.db")
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


@pytest.fixture
def two(tmp_path: Path) -> Two:
    two = Two(tmp_path)
    two.know(CURL, FLASK)
    return two


TABLES = {
    "feed": "SELECT name, covers, licence, as_of, malformed, url, etag, last_modified, mark FROM feed ORDER BY name",
    "advisory": "SELECT advisory.name, hash, body FROM advisory ORDER BY advisory.name",
    "alias": "SELECT alias.name, advisory.name FROM alias JOIN advisory ON advisory.id = advisory ORDER BY 1, 2",
    "affected": "SELECT ecosystem.name, package, body FROM affected JOIN ecosystem ON ecosystem.id = ecosystem ORDER BY 1, 2",
    "exploited": "SELECT * FROM exploited ORDER BY name",
    "likelihood": "SELECT * FROM likelihood ORDER BY name",
    "statement": "SELECT body FROM statement ORDER BY body",
    "statement_alias": "SELECT name FROM statement_alias ORDER BY name",
}


def test_what_is_carried_is_the_same(two: Two) -> None:
    """Every table, and the revision with it; since when there has been a fix, too."""
    vex(two.outside, "https://example.com/1")
    with next_file(two.outside / "advisories.db", now=NOW) as writer:
        writer.exploited([Exploited(id="CVE-2026-1", added=NOW), Exploited(id="CVE-2026-9")])
        writer.likelihoods([Likelihood(id="CVE-2026-1", probability=0.25)])
        for feed in ("kev", "epss"):
            writer.ended(feed, as_of=NOW, covers="", licence="free")
        writer.fetched("osv:PyPI", url="https://example.com", etag='"a"', last_modified="b", mark="c")
    report = two.carry()
    assert report.counts.added == 2
    for table, statement in TABLES.items():
        assert two.rows(statement) == two.rows(statement, "outside"), table
    assert status_of(two.inside / "advisories.db").revision == status_of(two.outside / "advisories.db").revision


def test_a_second_bundle_concerns_only_what_has_changed(two: Two) -> None:
    """So that not every image is judged again."""
    two.carry()
    two.know(osv("GHSA-2", at("PyPI", "flask", *until("3"))), osv("GHSA-3", at("npm", "x", *until("3"))), now=LATER)
    counts = two.carry(LATER).counts
    assert (counts.added, counts.changed, counts.unchanged, counts.touched) == (1, 1, 1, 2)
    assert two.carry(LATER).counts.touched == 0


def test_what_the_other_machine_does_not_have_any_more_is_taken_out(two: Two) -> None:
    """A feed is taken as a whole."""
    two.carry()
    with next_file(two.outside / "advisories.db", now=LATER) as writer:
        writer.ended("osv:PyPI", as_of=LATER, covers="PyPI", complete=True)
    assert two.carry(LATER).counts.removed == 1
    assert two.rows("SELECT name FROM advisory") == [("CVE-2026-1",)]


def test_what_is_only_here_stays(two: Two) -> None:
    """Above all what is said of products that are built here."""
    vex(two.inside, "https://example.com/of-our-own")
    two.carry()
    assert [each.name for each in status_of(two.inside / "advisories.db").feeds] == [
        "osv:Debian",
        "osv:PyPI",
        "vex:https://example.com/of-our-own",
    ]


def test_an_older_bundle_takes_nothing_back(two: Two) -> None:
    """What is younger here stays, and is named."""
    advisory_data(two.inside, osv("GHSA-2", at("PyPI", "flask", *until("4"))), now=LATER)
    report = two.carry(LATER)
    assert (report.kept, report.feeds) == (["osv:PyPI"], ["osv:Debian"])
    assert two.rows("SELECT name FROM advisory ORDER BY name") == [("CVE-2026-1",), ("GHSA-2",)]


@pytest.mark.parametrize("where", [*(number / 40 for number in range(40)), 0.999])
def test_one_changed_byte_is_found(two: Two, where: float) -> None:
    """In the head, the manifest, or what is packed: nothing of it comes into the data."""
    two.carry()
    before = (two.inside / "advisories.db").read_bytes()
    content = bytearray(two.bundle.read_bytes())
    content[int(len(content) * where)] ^= 0x40
    two.bundle.write_bytes(content)
    with pytest.raises((DamagedBundleError, ConfigurationError)):
        import_bundle(two.bundle, two.inside / "advisories.db", now=LATER)
    assert (two.inside / "advisories.db").read_bytes() == before
    assert sorted(each.name for each in two.inside.iterdir()) == [".advisories.db.lock", "advisories.db"]


@pytest.mark.parametrize("share", [0, 0.001, 0.003, 0.01, 0.5, 0.99])
def test_a_bundle_that_is_cut_is_refused(two: Two, share: float) -> None:
    """As a full disk or a broken copy leaves it."""
    two.carry()
    content = two.bundle.read_bytes()
    two.bundle.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DamagedBundleError):
        import_bundle(two.bundle, two.inside / "advisories.db", now=LATER)


def packed(path: Path, **manifest: Any) -> bytes:
    content = path.read_bytes()
    connection = open_read_only(path)
    ((revision,),) = connection.execute("SELECT value FROM meta WHERE name = 'revision'")
    connection.close()
    said = Manifest(
        kind="registry-watcher-advisories",
        format=1,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        revision=revision,
    )
    head = msgspec.json.encode(msgspec.structs.replace(said, **manifest))
    return struct.pack("<II", 0x184D2A50, len(head)) + head + zstandard.compress(content)


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        ({"format": 99}, ConfigurationError),
        ({"bytes": 2**60}, DamagedBundleError),
        ({"bytes": 5}, DamagedBundleError),
        ({"kind": "another"}, DamagedBundleError),
        ({"sha256": ""}, DamagedBundleError),
        ({"revision": "another"}, DamagedBundleError),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(two: Two, manifest: dict[str, Any], error: type[Exception]) -> None:
    """Unpacking ends where the manifest says that it does."""
    two.bundle.write_bytes(packed(two.outside / "advisories.db", **manifest))
    with pytest.raises(error):
        import_bundle(two.bundle, two.inside / "advisories.db", now=NOW)
    assert not (two.inside / "advisories.db").exists()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TRIGGER t AFTER INSERT ON feed BEGIN DELETE FROM advisory; END",
        "CREATE VIEW more AS SELECT 1",
        "DROP TABLE statement",
        "UPDATE advisory SET body = x'00'",
        "UPDATE advisory SET places = x'00'",
        "UPDATE affected SET body = x'00'",
        "DELETE FROM ecosystem",
        "DELETE FROM affected",
    ],
)
def test_a_bundle_of_another_making_is_refused(two: Two, change: str) -> None:
    """Its digest is right, as whoever made it computed it; what is in it is not what we write."""
    with sqlite3.connect(two.outside / "advisories.db") as connection:
        connection.execute(change)
    connection.close()
    two.bundle.write_bytes(packed(two.outside / "advisories.db"))
    with pytest.raises(DamagedBundleError):
        import_bundle(two.bundle, two.inside / "advisories.db", now=NOW)
    assert not (two.inside / "advisories.db").exists()


def test_whoever_has_zstd_can_unpack_it(two: Two) -> None:
    """The manifest is a frame that it skips."""
    two.carry()
    content = two.bundle.read_bytes()
    (length,) = struct.unpack_from("<I", content, 4)
    assert zstandard.decompress(content[8 + length :]) == (two.outside / "advisories.db").read_bytes()


def test_the_commands(two: Two) -> None:
    """`export` writes it, `import` knows it by what is in it; a file that is there is not overwritten by mistake."""
    for side in (two.outside, two.inside):
        (side / "watcher.yaml").write_text("{}")
    outside, inside = (("advisories", "-c", str(side / "watcher.yaml")) for side in (two.outside, two.inside))
    run = CliRunner().invoke
    assert "revision" in run(watcher, [*outside, "export", str(two.bundle)]).output
    assert is_bundle(two.bundle)
    assert isinstance(run(watcher, [*outside, "export", str(two.bundle)]).exception, ConfigurationError)
    assert run(watcher, [*outside, "export", str(two.bundle), "--replace"]).exit_code == 0
    assert json.loads(run(watcher, [*inside, "import", str(two.bundle), "-o", "json"]).output)["added"] == 2
    alone = run(watcher, [*inside, "import", str(two.bundle), str(two.outside)]).exception
    assert isinstance(alone, ConfigurationError)
    (two.inside / "advisories.db").unlink()
    assert isinstance(run(watcher, [*inside, "export", str(two.bundle), "--replace"]).exception, ConfigurationError)
