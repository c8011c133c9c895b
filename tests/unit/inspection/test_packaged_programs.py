"""Programs of a distribution's packages, which are no packages of their own."""

import pytest

from watcher.inspection.image.installed import packages_of
from watcher.inspection.image.merge import merge
from watcher.inspection.image.packaged_programs import PackagedPrograms
from watcher.model.digest import digest_of
from watcher.model.inventory import FILE, Distro, FileTable, LayerFacts, PackageDatabase, PackageRecord


def packaged(name: str, version: str, *installed: PackageRecord) -> bool:
    return PackagedPrograms(installed).have(PackageRecord(type="generic", name=name, version=version), "usr/bin/x")


@pytest.mark.parametrize(
    ("program", "installed"),
    [
        (("bash", "5.2.15"), PackageRecord(type="deb", name="bash", version="5.2.15-2")),
        (("python", "3.11.2"), PackageRecord(type="deb", name="libpython3.11-minimal", version="3.11.2-6", source="python3.11")),
        (("openssl", "3.0.19"), PackageRecord(type="deb", name="libssl3", version="3.0.19-1~deb12u2", source="openssl")),
        (("openssl", "1.1.1w"), PackageRecord(type="deb", name="openssl", version="1.1.1w-0+deb11u1")),
        (("zlib", "1.2.13"), PackageRecord(type="deb", name="zlib1g", version="1:1.2.13.dfsg-1", source="zlib")),
        (("openjdk", "17.0.15+6-Debian-1"), PackageRecord(type="deb", name="x", version="17.0.15+6-1", source="openjdk-17")),
        (("libpng", "1.6.39"), PackageRecord(type="deb", name="libpng16-16", version="1.6.39-2", source="libpng1.6")),
        (("zstd", "1.5.4"), PackageRecord(type="deb", name="zstd", version="1.5.4+dfsg2-5", source="libzstd")),
        (("xz", "5.4.1"), PackageRecord(type="deb", name="xz-utils", version="5.4.1-1")),
        (("node", "20.1.0"), PackageRecord(type="apk", name="nodejs", version="20.1.0-r0")),
        (
            ("curl", "8.5.0"),
            PackageRecord(type="rpm", name="libcurl", version="8.5.0-1", source="curl", source_version="8.5.0-1"),
        ),
    ],
)
def test_a_program_is_of_the_package_that_has_its_name_and_version(program: tuple[str, str], installed: PackageRecord) -> None:
    """Whatever the distributor adds to either."""
    assert packaged(*program, installed)


@pytest.mark.parametrize(
    ("program", "installed"),
    [
        (("bash", "5.2.1"), PackageRecord(type="deb", name="bash", version="5.2.15-2")),
        (("bash", "5.2"), PackageRecord(type="deb", name="bash", version="5.2.15-2")),
        (("bash", "5.2.15"), PackageRecord(type="deb", name="bash", version="5.1-2")),
        (("redis", "7.0.15"), PackageRecord(type="npm", name="redis", version="7.0.15")),
        (("redis", "7.0.15"), PackageRecord(type="deb", name="bash", version="7.0.15")),
    ],
)
def test_another_version_is_another_program(program: tuple[str, str], installed: PackageRecord) -> None:
    """As one that somebody unpacked beside it; and packages of languages bring no such programs."""
    assert not packaged(*program, installed)


def test_what_is_no_program_is_not_asked_about() -> None:
    """A package of npm is one, whatever the distribution has."""
    installed = PackageRecord(type="deb", name="node-semver", version="7.3.5-1")
    assert not PackagedPrograms([installed]).have(PackageRecord(type="npm", name="node-semver", version="7.3.5"), "x")


@pytest.mark.parametrize("path", ["opt/jdk/bin/java", "opt/jdk/jre/bin/java", "opt/jdk/bin/jdb"])
def test_a_java_runtime_says_itself_what_it_is(path: str) -> None:
    """In its file `release`; one beside it is another."""
    java = PackageRecord(type="generic", name="openjdk", version="17.0.1+12")
    assert PackagedPrograms((), {"opt/jdk"}).have(java, path)
    assert not PackagedPrograms((), {"opt/jre"}).have(java, path)
    assert not PackagedPrograms((), {"opt/jdk"}).have(java, "opt/jdk/bin/python3.11")


NOTE = PackageRecord(
    type="rpm",
    name="coreutils",
    version="9.4-6.fc40",
    source="coreutils",
    source_version="9.4-6.fc40",
    purl="pkg:rpm/fedora/coreutils@9.4-6.fc40?distro=fedora-40",
)


def listed(distro: Distro, *databases: PackageDatabase) -> list[tuple[str, str, str]]:
    files = FileTable()
    for database in databases:
        files.path.append(database.path)
        files.kind.append(FILE)
        files.link.append("")
        for column in (files.mode, files.uid, files.gid, files.size):
            column.append(0)
    facts = LayerFacts(digest=digest_of(b""), compressed_bytes=0, plain_bytes=0, files=files, databases=databases)
    return [(each.record.type, each.record.purl, each.path) for each in packages_of(merge([facts]), distro, 0)]


def of(kind: str, path: str, *records: PackageRecord) -> PackageDatabase:
    return PackageDatabase(path=path, type=kind, packages=records, system=kind == "rpm")


FEDORA = Distro(id="fedora", version="40", known=True)


def test_a_package_of_many_programs_is_listed_once() -> None:
    """By its notes, as long as no database lists it."""
    programs = of("native", "usr/bin/ls", NOTE), of("native", "usr/bin/cp", NOTE)
    assert listed(FEDORA, *programs) == [("rpm", NOTE.purl, "usr/bin/cp")]
    package = PackageRecord(type="rpm", name="coreutils-common", version="0:9.4-6.fc40", source="coreutils")
    assert [path for *_, path in listed(FEDORA, *programs, of("rpm", "var/lib/rpm/Packages", package))] == ["var/lib/rpm/Packages"]


def test_a_program_of_another_distribution_is_no_package_of_this_one() -> None:
    """Its name and version mean nothing here; where they mean something its purl says."""
    assert listed(Distro(id="rhel", version="9", known=True), of("native", "usr/bin/cp", NOTE)) == [
        ("generic", NOTE.purl, "usr/bin/cp")
    ]
