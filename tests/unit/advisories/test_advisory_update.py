"""What is configured is fetched, believed only as a whole, and costs little when nothing has changed."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.doubles.advisory_data import at, osv, until
from tests.doubles.advisory_feeds import EPSS, KEV, Feeds, serving
from watcher.advisories.fetching import Fetcher
from watcher.advisories.settings import AdvisorySettings
from watcher.advisories.sources import NOT_STATED, licence_of, sources_of
from watcher.advisories.status import Status, status_of
from watcher.advisories.tables import Feed, open_read_only
from watcher.advisories.update import Update, Updated

pytestmark = pytest.mark.enable_socket

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=5)
ARCHIVE, CHANGES = "/osv/PyPI/all.zip", "/osv/PyPI/modified_id.csv"


def flask(number: int, fixed: str = "2", day: int = 1) -> dict[str, Any]:
    return osv(f"PYSEC-{number}", at("PyPI", "flask", *until(fixed))) | {"modified": f"2026-01-{day:02}T00:00:00Z"}


class Bench:
    """A server of advisories, and a file that is brought up to date from it."""

    def __init__(self, url: str, feeds: Feeds, folder: Path) -> None:
        self.url, self.feeds, self.path = url, feeds, folder / "advisories.db"
        self.waited: list[float] = []

    async def update(self, *lists: str, now: datetime = NOW, full: bool = False, stall_seconds: float = 5.0) -> Updated:
        mirrors = {"osv": f"{self.url}/osv", "kev": f"{self.url}{KEV}", "epss": f"{self.url}{EPSS}", "secdb": f"{self.url}/secdb"}
        settings = AdvisorySettings(ecosystems=("PyPI",), lists=lists, mirrors=mirrors)

        async def sleep(seconds: float) -> None:
            self.waited.append(seconds)

        update = Update(list(sources_of(settings)), self.path, full=full)
        await update.fetch(Fetcher(stall_seconds=stall_seconds, sleep=sleep))
        return update.apply(now=now)

    def names(self) -> set[str]:
        connection = open_read_only(self.path)
        try:
            return {name for (name,) in connection.execute("SELECT name FROM advisory")}
        finally:
            connection.close()

    def status(self) -> Status:
        return status_of(self.path)

    def feed(self, name: str) -> Feed:
        return next(each for each in self.status().feeds if each.name == name)

    def downloads(self) -> list[str]:
        return sorted(each.name for each in self.path.parent.rglob("*.downloads/*/*"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    feeds = Feeds()
    feeds.ecosystem("PyPI", flask(1), flask(2))
    feeds.exploited("CVE-2026-0001")
    feeds.probable(CVE_2026_0001=0.5)
    async with serving(feeds) as url:
        yield Bench(url, feeds, tmp_path)


async def test_the_first_time_everything_is_fetched(bench: Bench) -> None:
    """An ecosystem as its archive; what is exploited and what is probable as they are. Nothing is left beside the file."""
    done = await bench.update("kev", "epss")
    assert (done.changed, done.failed) == (["osv:PyPI", "kev", "epss"], {})
    assert bench.feeds.paths().count(ARCHIVE) == 1
    assert bench.names() == {"PYSEC-1", "PYSEC-2"}
    assert (bench.status().exploited, bench.status().likelihoods) == (1, 1)
    assert {each.as_of for each in bench.status().feeds} == {NOW}
    assert bench.feed("osv:PyPI").covers == "PyPI"
    assert bench.downloads() == []


async def test_licences_are_kept(bench: Bench) -> None:
    """Whoever passes the data on has to know them."""
    await bench.update("kev", "epss")
    assert {each.name: each.licence for each in bench.status().feeds} == {
        "osv:PyPI": "CC-BY-4.0",
        "kev": "CC0-1.0",
        "epss": "free, attribute FIRST",
    }


async def test_what_has_not_changed_is_not_fetched_and_is_young_again(bench: Bench) -> None:
    """One question a source; its data are then as old as the answer."""
    await bench.update("kev", "epss")
    bench.feeds.paths()
    done = await bench.update("kev", "epss", now=LATER)
    assert (done.unchanged, done.changed) == (["osv:PyPI", "kev", "epss"], [])
    assert sorted(bench.feeds.paths()) == sorted([CHANGES, KEV, EPSS])
    assert {each.as_of for each in bench.status().feeds} == {LATER}
    assert bench.names() == {"PYSEC-1", "PYSEC-2"}


async def test_what_has_changed_is_fetched_record_by_record(bench: Bench) -> None:
    """What is new, what is another, and what is gone."""
    bench.feeds.ecosystem("PyPI", flask(1), flask(2), flask(3))
    await bench.update()
    bench.feeds.ecosystem("PyPI", flask(1), flask(2, fixed="3", day=2), flask(4, day=3))
    bench.feeds.paths()
    done = await bench.update(now=LATER)
    counts = done.report.counts
    assert (counts.added, counts.changed, counts.removed) == (1, 1, 1)
    assert ARCHIVE not in bench.feeds.paths()
    assert bench.names() == {"PYSEC-1", "PYSEC-2", "PYSEC-4"}
    assert (bench.feed("osv:PyPI").as_of, bench.feed("osv:PyPI").covers) == (LATER, "PyPI")


async def test_a_record_that_becomes_another_ecosystems_is_not_said_twice(bench: Bench) -> None:
    """While this one lists it, it is kept as this one has it: what it said before of PyPI is gone."""
    await bench.update()
    affected = at("npm", "flask", *until("9")), at("PyPI", "flask-core", *until("9"))
    moved = osv("PYSEC-2", *affected) | {"modified": "2026-02-01T00:00:00Z"}
    bench.feeds.ecosystem("PyPI", flask(1), moved)
    assert (await bench.update()).report.counts.changed == 1
    connection = open_read_only(bench.path)
    statement = "SELECT ecosystem.name, package FROM affected JOIN ecosystem ON ecosystem.id = ecosystem ORDER BY 1, 2"
    assert connection.execute(statement).fetchall() == [("PyPI", "flask"), ("PyPI", "flask-core"), ("npm", "flask")]
    connection.close()


async def test_when_much_has_changed_the_archive_is_fetched(bench: Bench) -> None:
    """A thousand requests are more than one."""
    await bench.update()
    many = [flask(number, day=2) for number in range(1100)]
    bench.feeds.ecosystem("PyPI", *many)
    bench.feeds.paths()
    done = await bench.update()
    assert sorted(bench.feeds.paths()) == [ARCHIVE, CHANGES]
    assert done.report.counts.added == 1098


async def test_full_fetches_what_has_not_changed(bench: Bench) -> None:
    """For when somebody doubts what is there."""
    await bench.update("kev")
    bench.feeds.paths()
    assert (await bench.update("kev", full=True)).changed == ["osv:PyPI", "kev"]
    assert sorted(bench.feeds.paths()) == sorted([CHANGES, ARCHIVE, KEV])


async def test_a_mirror_may_have_only_archives(bench: Bench) -> None:
    """Without a list of changes the archive itself is asked whether it has changed."""
    del bench.feeds.files[CHANGES]
    assert (await bench.update()).changed == ["osv:PyPI"]
    assert (await bench.update()).unchanged == ["osv:PyPI"]
    bench.feeds.ecosystem("PyPI", flask(1), flask(3))
    del bench.feeds.files[CHANGES]
    assert (await bench.update()).report.counts.removed == 1
    assert bench.names() == {"PYSEC-1", "PYSEC-3"}


@pytest.mark.parametrize("trouble", [["cut"], ["cut", "cut", 503], [500, 429], ["cut"] * 7])
async def test_a_download_that_breaks_off_is_gone_on_with(bench: Bench, trouble: list[int | str]) -> None:
    """As often as it brings something more."""
    bench.feeds.ecosystem("PyPI", *(flask(number, fixed=f"{number}.{number * 7919 % 1009}") for number in range(300)))
    bench.feeds.trouble[ARCHIVE] = list(trouble)
    assert (await bench.update()).failed == {}
    headers = [sent for path, sent in bench.feeds.asked if path == ARCHIVE]
    assert len(headers) == len(trouble) + 1
    assert [("Range" in sent) for sent in headers] == [trouble[:index].count("cut") > 0 for index in range(len(headers))]
    assert len(bench.names()) == 300


@pytest.mark.parametrize("without", ["ranges", "tags"])
async def test_where_it_cannot_be_gone_on_with_it_begins_again(bench: Bench, without: str) -> None:
    """A part without a tag could go on with another file."""
    setattr(bench.feeds, without, False)
    bench.feeds.trouble[ARCHIVE] = ["cut", "cut"]
    assert (await bench.update()).failed == {}
    assert bench.names() == {"PYSEC-1", "PYSEC-2"}


async def test_a_part_of_another_file_is_thrown_away(bench: Bench) -> None:
    """What was published meanwhile is fetched from its beginning."""
    bench.feeds.trouble[ARCHIVE] = ["cut", 403]
    assert list((await bench.update()).failed) == ["osv:PyPI"]
    assert "all.zip.part" in bench.downloads()
    bench.feeds.ecosystem("PyPI", flask(5), flask(6))
    assert (await bench.update()).failed == {}
    assert bench.names() == {"PYSEC-5", "PYSEC-6"}


async def test_a_source_that_stalls_is_given_up_and_leaves_the_others(bench: Bench) -> None:
    """Its age stays, and the command says that it is not complete."""
    await bench.update("kev")
    bench.feeds.trouble[KEV], bench.feeds.ranges = ["stall"] * 9, False
    bench.feeds.exploited("CVE-2026-0001", "CVE-2026-0002")
    bench.feeds.ecosystem("PyPI", flask(1), flask(2), flask(3, day=9))
    done = await bench.update("kev", now=LATER, stall_seconds=0.1)
    assert list(done.failed) == ["kev"]
    assert (bench.feed("kev").as_of, bench.feed("osv:PyPI").as_of) == (NOW, LATER)
    assert bench.status().exploited == 1
    assert "PYSEC-3" in bench.names()
    assert len(bench.waited) == 4


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (ARCHIVE, b"<html>log in</html>"),
        (ARCHIVE, b"PK\x05\x06" + bytes(18)),
        (CHANGES, b""),
        (CHANGES, b"<html>log in</html>\n"),
        (CHANGES, b"2026-01-09T00:00:00Z,PYSEC-1\n"),
        (CHANGES, b"2026-01-09T00:00:00Z,../PYSEC-1\n" * 9),
        (KEV, b"<html>log in</html>"),
        (KEV, b'{"vulnerabilities": []}'),
        (KEV, b"cve,epss\nCVE-2026-0001,0.5\n"),
    ],
)
async def test_what_is_not_what_was_asked_for_replaces_nothing(bench: Bench, path: str, content: bytes) -> None:
    """A proxy's page, an empty archive, half a list: what is there stays, and the next update begins anew."""
    bench.feeds.ecosystem("PyPI", *(flask(number) for number in range(5)))
    await bench.update("kev")
    good = bench.feeds.files[path]
    bench.feeds.files[path] = content
    feed = "kev" if path == KEV else "osv:PyPI"
    done = await bench.update("kev", now=LATER, full=path == ARCHIVE)
    assert list(done.failed) == [feed]
    assert bench.feed(feed).as_of == NOW
    assert len(bench.names()) == 5
    assert bench.status().exploited == 1
    bench.feeds.files[path] = good
    assert (await bench.update("kev", now=LATER)).failed == {}


async def test_an_archive_with_a_damaged_member_replaces_nothing(bench: Bench) -> None:
    """It is read to its end before anything is replaced."""
    await bench.update()
    archive = bytearray(bench.feeds.files[ARCHIVE])
    archive[60:70] = bytes(10)
    bench.feeds.files[ARCHIVE] = bytes(archive)
    assert list((await bench.update(full=True)).failed) == ["osv:PyPI"]
    assert bench.names() == {"PYSEC-1", "PYSEC-2"}


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"id": "PYSEC-1"}'])
async def test_a_record_that_is_another_stops_its_source(bench: Bench, content: bytes) -> None:
    """To go on would be to take the change for seen."""
    await bench.update()
    changed = flask(2, fixed="3", day=9)
    bench.feeds.ecosystem("PyPI", flask(1), changed)
    bench.feeds.files["/osv/PyPI/PYSEC-2.json"] = content
    assert list((await bench.update()).failed) == ["osv:PyPI"]
    bench.feeds.files["/osv/PyPI/PYSEC-2.json"] = json.dumps(changed).encode()
    assert (await bench.update()).report.counts.changed == 1


async def test_a_record_that_is_gone_meanwhile_is_left_out(bench: Bench) -> None:
    """The list is older than the record's end."""
    await bench.update()
    bench.feeds.ecosystem("PyPI", flask(1), flask(2), flask(3, day=9))
    del bench.feeds.files["/osv/PyPI/PYSEC-3.json"]
    assert (await bench.update()).failed == {}
    assert bench.names() == {"PYSEC-1", "PYSEC-2"}


async def test_both_repositories_of_an_alpine_release_are_fetched(bench: Bench) -> None:
    """And one that has another's content is refused."""
    for name in ("main", "community"):
        packages = [{"pkg": {"name": name, "secfixes": {"1-r0": ["CVE-2026-0001"]}}}]
        document = {"distroversion": "v3.22", "reponame": name, "packages": packages}
        bench.feeds.files[f"/secdb/v3.22/{name}.json"] = json.dumps(document).encode()
    assert (await bench.update("secdb:v3.22")).failed == {}
    assert {each.covers for each in bench.status().feeds} >= {"Alpine:v3.22"}
    bench.feeds.files["/secdb/v3.22/main.json"] = bench.feeds.files["/secdb/v3.22/community.json"]
    assert list((await bench.update("secdb:v3.22")).failed) == ["secdb:Alpine:v3.22/main"]


async def test_when_everything_fails_nothing_is_written(bench: Bench) -> None:
    """Not even an empty file."""
    bench.feeds.trouble[CHANGES] = [403]
    assert list((await bench.update()).failed) == ["osv:PyPI"]
    assert not bench.path.exists()


async def test_an_update_that_is_killed_is_gone_on_with(bench: Bench, tmp_path: Path) -> None:
    """What came before stays on disk, and the next one asks for the rest."""
    bench.feeds.ecosystem("PyPI", *(flask(number, fixed=f"{number}.{number * 7919 % 1009}") for number in range(300)))
    bench.feeds.trouble[ARCHIVE] = ["stall"]
    configuration = tmp_path / "watcher.yaml"
    settings = {"ecosystems": ["PyPI"], "lists": [], "mirrors": {"osv": f"{bench.url}/osv"}}
    configuration.write_text(json.dumps({"advisories": settings}))
    command = [sys.executable, "-m", "watcher", "advisories", "update", "-c", str(configuration)]
    killed = await asyncio.create_subprocess_exec(*command)
    part = tmp_path / ".advisories.db.downloads" / "osv-PyPI" / "all.zip.part"
    async with asyncio.timeout(30):
        while not (part.exists() and part.stat().st_size > 0):
            await asyncio.sleep(0.05)
    killed.kill()
    await killed.wait()
    begun = part.stat().st_size
    assert begun > 0
    assert not bench.path.exists()
    bench.feeds.asked.clear()
    again = await asyncio.create_subprocess_exec(*command, "-o", "json", stdout=asyncio.subprocess.PIPE)
    output, _ = await again.communicate()
    assert (again.returncode, json.loads(output)["added"]) == (0, 300)
    sent = [headers for path, headers in bench.feeds.asked if path == ARCHIVE]
    assert [headers.get("Range") for headers in sent] == [f"bytes={begun}-"]
    # The list of changes was whole already.
    assert any("If-None-Match" in headers for path, headers in bench.feeds.asked if path == CHANGES)


async def test_the_command_says_what_failed(bench: Bench, tmp_path: Path) -> None:
    """It ends with 1, and what the other sources brought is there."""
    bench.feeds.trouble[KEV] = [403]
    mirrors = {"osv": f"{bench.url}/osv", "kev": f"{bench.url}{KEV}"}
    configuration = tmp_path / "watcher.yaml"
    configuration.write_text(json.dumps({"advisories": {"ecosystems": ["PyPI"], "lists": ["kev"], "mirrors": mirrors}}))
    command = [sys.executable, "-m", "watcher", "advisories", "update", "-c", str(configuration)]
    ended = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, errors = await ended.communicate()
    assert ended.returncode == 1
    assert output.decode().splitlines()[0] == "osv:PyPI: updated"
    assert errors.decode() == f"kev: failed, its data are as they were: {bench.url}{KEV}: answers 403\n"
    assert bench.names() == {"PYSEC-1", "PYSEC-2"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"ecosystems": ["Debian:12"]},
        {"ecosystems": ["../x"]},
        {"lists": ["nvd"]},
        {"lists": ["secdb"]},
        {"mirrors": {"nvd": "https://example.com"}},
        {"mirrors": {"osv": "ftp://example.com"}},
    ],
)
async def test_a_source_that_there_is_none_of_is_refused(wrong: dict[str, Any]) -> None:
    """When the configuration is read, not when it is fetched."""
    with pytest.raises(msgspec.ValidationError, match=next(iter(wrong))):
        msgspec.convert(wrong, AdvisorySettings)


async def test_every_source_has_its_place() -> None:
    """What a mirror is not named for is fetched from its publisher."""
    settings = AdvisorySettings(
        ecosystems=("Rocky Linux", "PyPI"),
        lists=("kev", "epss", "debian-tracker", "secdb:v3.22"),
        mirrors={"kev": "https://kev.example/"},
    )
    assert {each.feed: each.url for each in sources_of(settings)} == {
        "osv:Rocky Linux": "https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux",
        "osv:PyPI": "https://osv-vulnerabilities.storage.googleapis.com/PyPI",
        "kev": "https://kev.example",
        "epss": "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
        "debian-tracker": "https://security-tracker.debian.org/tracker/data/json",
        "secdb:Alpine:v3.22/community": "https://secdb.alpinelinux.org/v3.22/community.json",
        "secdb:Alpine:v3.22/main": "https://secdb.alpinelinux.org/v3.22/main.json",
    }


@pytest.mark.parametrize(
    ("feed", "licence"),
    [
        ("osv:PyPI", "CC-BY-4.0"),
        ("osv:Debian", NOT_STATED),
        ("secdb:Alpine:v3.22/main", "CC-BY-SA-4.0"),
        ("secdb:Wolfi/os", "CC-BY-NC-ND-4.0"),
        ("vex:https://example.com/1", ""),
        ("rustsec", "CC0-1.0, CC-BY-4.0"),
    ],
)
async def test_a_licence_is_that_of_its_publisher(feed: str, licence: str) -> None:
    """What no publisher states is said to be so."""
    assert licence_of(feed) == licence
