"""RPM packages, in all three kinds of databases and in the lists of images without one."""

import struct
from collections.abc import Callable

import pytest

from tests.doubles.cataloging import database_of, facts_of
from tests.doubles.rpm_databases import hash_database, header, ndb_database, sqlite_database
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, PartlyReadError
from watcher.inspection.catalogers.purl import with_distro
from watcher.inspection.catalogers.rpm import MAX_BYTES, RpmCataloger
from watcher.model.inventory import Distro, PackageRecord

cataloger = RpmCataloger()
PLACE = "var/lib/rpm/Packages"
NODE = {
    "name": "nodejs",
    "version": "12.22.12",
    "release": "1.module+el8",
    "licence": "MIT and Apache-2.0",
    "vendor": "Red Hat, Inc.",
    "architecture": "x86_64",
    "source": "nodejs-12.22.12-1.module+el8.src.rpm",
    "module": "nodejs:12:8030020201023:229f0a1c",
}


def packages(content: bytes, path: str = PLACE) -> tuple[PackageRecord, ...]:
    database = database_of(cataloger, path, content)
    assert database is not None
    assert database.system
    return database.packages


def big_endian(*headers: bytes) -> bytes:
    """As s390x writes it."""
    return hash_database(*headers, order=">")


@pytest.fixture(params=[sqlite_database, ndb_database, hash_database, big_endian])
def written(request: pytest.FixtureRequest) -> Callable[..., bytes]:
    kind: Callable[..., bytes] = request.param
    return kind


def test_all_that_a_header_says_is_kept(written: Callable[..., bytes]) -> None:
    """The version as its tools compare it; the purl has the epoch, the module and the source package beside it."""
    (package,) = packages(written(header(epoch=1, **NODE)))
    assert package == PackageRecord(
        type="rpm",
        name="nodejs",
        version="1:12.22.12-1.module+el8",
        architecture="x86_64",
        source="nodejs",
        source_version="12.22.12-1.module+el8",
        licenses=("MIT and Apache-2.0",),
        maintainer="Red Hat, Inc.",
        purl="pkg:rpm/nodejs@12.22.12-1.module%2Bel8?arch=x86_64&epoch=1&rpmmod=nodejs:12:8030020201023:229f0a1c"
        "&upstream=nodejs-12.22.12-1.module%2Bel8.src.rpm",
    )
    assert with_distro(package, Distro(id="rhel", version="8.6", known=True)).purl == (
        "pkg:rpm/redhat/nodejs@12.22.12-1.module%2Bel8?arch=x86_64&distro=rhel-8.6&epoch=1"
        "&rpmmod=nodejs:12:8030020201023:229f0a1c&upstream=nodejs-12.22.12-1.module%2Bel8.src.rpm"
    )


def test_headers_of_every_size_are_read(written: Callable[..., bytes]) -> None:
    """Within a page, across several, and in more pages than the first can point to."""
    sizes = [0, 900, 3000, 4060, 5000, 100_000]
    headers = [header(name=f"p{size}", version="1", release=str(index), source="x" * size) for index, size in enumerate(sizes * 20)]
    assert [(each.name, each.version) for each in packages(written(*headers))] == [
        (f"p{size}", f"1-{index}") for index, size in enumerate(sizes * 20)
    ]


@pytest.mark.parametrize("page_bytes", [512, 1024, 65536])
def test_pages_of_sqlite_have_any_size(page_bytes: int) -> None:
    """The largest is written as 1."""
    headers = [header(name=f"p{index}", version="1", release="1", vendor="x" * 60 * index) for index in range(60)]
    assert len(packages(sqlite_database(*headers, page_bytes=page_bytes))) == 60


def test_what_is_no_package_is_not_listed(written: Callable[..., bytes]) -> None:
    """Keys that packages are verified with; a database of nothing else is one all the same."""
    assert packages(written(header(name="gpg-pubkey", version="1", release="2"))) == ()
    assert packages(written()) == ()
    assert packages(b"") == ()


def test_an_epoch_of_zero_is_told_as_it_is_written() -> None:
    """It compares as none."""
    (package,) = packages(sqlite_database(header(name="a", version="1", release="1", epoch=0)))
    assert package.version == "0:1-1"
    assert package.purl == "pkg:rpm/a@1-1?epoch=0"


def test_the_source_package_is_the_package_where_none_is_named() -> None:
    """As in packages that others than distributions build; a maintainer is who packaged it where no vendor is named."""
    (package,) = packages(sqlite_database(header(name="a", version="1", release="2", packager="Me", source="(none)")))
    assert (package.source, package.source_version, package.maintainer) == ("a", "1-2", "Me")
    assert package.purl == "pkg:rpm/a@1-2"


def test_what_was_said_at_the_installation_comes_last_and_counts() -> None:
    """Of two entries of one tag."""
    blob = bytearray(header(name="a", version="1", release="2", licence="b"))
    entries, _ = struct.unpack_from(">II", blob)
    licence = 8 + (entries - 1) * 16
    assert struct.unpack_from(">I", blob, licence) == (1014,)
    struct.pack_into(">I", blob, licence, 1000)
    assert [each.name for each in packages(sqlite_database(bytes(blob)))] == ["b"]


@pytest.mark.parametrize("broken", [b"", b"\0" * 8, b"\xff" * 64, header(name="a"), header(name="a", version="1")[:-9]])
def test_a_header_that_cannot_be_read_leaves_the_others(written: Callable[..., bytes], broken: bytes) -> None:
    """And the list incomplete."""
    good = header(name="a", version="1", release="1")
    with pytest.raises(PartlyReadError, match="var/lib/rpm/Packages: ") as raised:
        packages(written(good, broken, good))
    assert [each.name for each in raised.value.facts[0].packages] == ["a", "a"]


def test_a_database_that_ends_early_is_read_as_far_as_it_goes(written: Callable[..., bytes]) -> None:
    """And is incomplete."""
    content = written(*(header(name=f"p{each}", version="1", release="1", source="x" * 5000) for each in range(9)))
    with pytest.raises(PartlyReadError) as raised:
        packages(content[: len(content) - 4096])
    assert 0 < len(raised.value.facts[0].packages) < 9 or content.startswith(b"SQLite")


@pytest.mark.parametrize(
    "content",
    [
        b"no database at all",
        b"RpmP",
        b"RpmP" + b"\xff" * 100,
        b"SQLite format 3\0",
        b"SQLite format 3\0" + bytes(4096),
        sqlite_database().replace(b"'Packages' (hnum", b"'Packagez' (hnum"),
        sqlite_database().replace(b"blob BLOB NOT NULL", b"blob TEXT NOT NULL"),
        hash_database()[:12] + bytes(4) + hash_database()[16:],
        hash_database()[:20] + b"\1\0\0\0" + hash_database()[24:],
        hash_database()[:24] + b"\1" + hash_database()[25:],
    ],
)
def test_a_file_in_the_place_of_a_database_is_one_or_an_error(content: bytes) -> None:
    """Elsewhere it is a file that happens to be called so."""
    with pytest.raises(DamagedDatabaseError):
        packages(content)
    assert facts_of(cataloger, "srv/rpm/Packages", content) == ()


def test_a_page_is_read_once() -> None:
    """A tree of pages that lead to each other, and headers that share pages, would never end."""
    content = bytearray(sqlite_database(*(header(name="a", version="1", release="1", source="x" * 900) for _ in range(40))))
    root = next(page for page in range(1, len(content) // 4096) if content[page * 4096] == 5)
    struct.pack_into(">I", content, root * 4096 + 8, root + 1)
    with pytest.raises(PartlyReadError, match="of its own"):
        packages(bytes(content))


def test_what_is_claimed_twice_is_not_read_twice() -> None:
    """A thousand slots that lead to one header would be a thousand times as much as there is."""
    content = bytearray(ndb_database(header(name="a", version="1", release="1", source="x" * 100_000)))
    for place in range(48, 4096, 16):
        content[place : place + 16] = content[32:48]
    with pytest.raises(PartlyReadError, match="more in its headers than in the file") as raised:
        packages(bytes(content))
    assert len(raised.value.facts[0].packages) == 1


def test_a_header_is_not_hidden_behind_the_key_of_none() -> None:
    """Only one item has that: the number of the next header."""
    content = hash_database(*(header(name=name, version="1", release="1") for name in "ab"))
    assert content.count(b"\1\1\0\0\0") == 1
    assert [each.name for each in packages(content.replace(b"\1\1\0\0\0", b"\1\0\0\0\0"))] == ["a", "b"]


LISTED = (
    b"vim\t9.0-1.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t2\t45000\tx86_64\t2\tvim-9.0-1.cm2.src.rpm\n"
    b"glibc\t2.35-2.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t10855265\tx86_64\t0\tglibc-2.35-2.cm2.src.rpm\n"
)


def test_an_image_without_a_database_has_a_list() -> None:
    """Distroless ones of Mariner and Azure Linux; its first form has less."""
    path = "var/lib/rpmmanifest/container-manifest-"
    assert [(each.name, each.version, each.architecture, each.source) for each in packages(LISTED, f"{path}2")] == [
        ("vim", "2:9.0-1.cm2", "x86_64", "vim"),
        ("glibc", "2.35-2.cm2", "x86_64", "glibc"),
    ]
    short = packages(b"vim-9.0-1.cm2.x86_64\ngpg-pubkey-1-2\n\nca-certificates-1-2.noarch\n", f"{path}1")
    assert [(each.name, each.version) for each in short] == [("vim", "9.0-1.cm2"), ("ca-certificates", "1-2")]
    with pytest.raises(PartlyReadError):
        packages(b"vim\t1\n", f"{path}2")
    with pytest.raises(PartlyReadError):
        packages(LISTED.replace(b"9.0-1.cm2\t", b"9.0\t"), f"{path}2")


def test_a_log_beside_a_database_makes_it_incomplete() -> None:
    """What it holds is newer than the database, or not; an empty one says nothing."""
    path = "var/lib/rpm/rpmdb.sqlite-wal"
    assert not cataloger.wants(path, 0)
    assert not cataloger.wants(path, 32)
    assert cataloger.wants(path, 4152)
    with pytest.raises(PartlyReadError, match="not be in the database"):
        facts_of(cataloger, path, b"7\x7f\6\x82" + bytes(4148))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("var/lib/rpm/rpmdb.sqlite", True),
        ("usr/lib/sysimage/rpm/Packages.db", True),
        ("usr/share/rpm/Packages", True),
        ("opt/rpm/Packages", True),
        ("rpm/Packages", True),
        ("opt/repo/Packages", False),
        ("var/lib/rpmmanifest/container-manifest-2", True),
        ("opt/container-manifest-2", False),
    ],
)
def test_a_database_may_lie_behind_a_link(path: str, wanted: bool) -> None:
    """So any directory called rpm may be the one."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
