"""What is true of every cataloger, whatever the ecosystem."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.doubles.archives import jar
from tests.doubles.cataloging import databases_among, facts_of
from tests.doubles.certificates import pem, signed
from tests.doubles.programs_for_windows import assembly
from tests.doubles.rpm_databases import header, sqlite_database
from watcher.inspection.catalogers.catalog import CATALOGERS, NOTED
from watcher.inspection.catalogers.protocol import ENDING_BYTES, HEAD_BYTES, AnyCataloger, Choice, asked


@dataclass(frozen=True, kw_only=True)
class Example:
    """A file as it lies in an image, and what it says is installed."""

    path: str
    content: bytes
    packages: frozenset[tuple[str, str]]
    # Another cataloger that looks for something else in such a file.
    also: str = ""


# By the name of the cataloger: one example at least, or the suite says so.
EXAMPLES: Mapping[str, Example] = {
    "deb": Example(
        path="var/lib/dpkg/status",
        content=b"Package: dash\nStatus: install ok installed\nVersion: 0.5\n\n"
        b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
        packages=frozenset({("dash", "0.5")}),
    ),
    "copyright": Example(
        path="usr/share/doc/dash/copyright",
        content=b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: BSD-3-clause\n",
        packages=frozenset(),
    ),
    "alpm-files": Example(
        path="var/lib/pacman/local/bash-5.2.026-2/files", content=b"%FILES%\nusr/\nusr/bin/bash\n", packages=frozenset()
    ),
    "opkg-list": Example(path="usr/lib/opkg/info/dropbear.list", content=b"/usr/sbin/dropbear\n", packages=frozenset()),
    "licence": Example(path="app/node_modules/lodash/LICENSE", content=b"CC0 1.0 Universal\n", packages=frozenset()),
    "dpkg-list": Example(path="var/lib/dpkg/info/dash.list", content=b"/bin/dash\n", packages=frozenset()),
    "apk": Example(path="lib/apk/db/installed", content=b"P:musl\nV:1.2.5-r0\n\n", packages=frozenset({("musl", "1.2.5-r0")})),
    "pypi": Example(
        path="usr/lib/python3/site-packages/click-8.1.dist-info/METADATA",
        content=b"Metadata-Version: 2.4\nName: click\nVersion: 8.1\n\nText.\n",
        packages=frozenset({("click", "8.1")}),
    ),
    "native": Example(
        path="usr/local/bin/tool",
        content=b"\x7fELF" + bytes(60) + b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\x08go1.22.1\x00",
        packages=frozenset({("stdlib", "go1.22.1")}),
    ),
    "npm": Example(
        path="app/node_modules/lodash/package.json",
        content=b'{"name": "lodash", "version": "4.17.21"}',
        packages=frozenset({("lodash", "4.17.21")}),
    ),
    "alpm": Example(
        path="var/lib/pacman/local/bash-5.2.026-2/desc",
        content=b"%NAME%\nbash\n\n%VERSION%\n5.2.026-2\n\n",
        packages=frozenset({("bash", "5.2.026-2")}),
    ),
    "ebuild": Example(
        path="var/db/pkg/app-shells/bash-5.2_p26-r1/CONTENTS",
        content=b"dir /bin\nobj /bin/bash 0123 1700000000\n",
        packages=frozenset({("app-shells/bash", "5.2_p26-r1")}),
    ),
    "ebuild-licence": Example(path="var/db/pkg/app-shells/bash-5.2_p26-r1/LICENSE", content=b"GPL-3+\n", packages=frozenset()),
    "java-release": Example(
        path="opt/java/openjdk/release",
        content=b'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_RUNTIME_VERSION="21.0.4+7-LTS"\nJAVA_VERSION="21.0.4"\n',
        packages=frozenset({("openjdk", "21.0.4+7-LTS")}),
    ),
    "linux": Example(
        path="boot/Image",
        content=bytes(100_000) + b"Linux version 6.1.0-21-arm64 (debian-kernel@lists.debian.org)",
        packages=frozenset({("linux-kernel", "6.1.0-21-arm64")}),
    ),
    "lock": Example(
        path="srv/app/package-lock.json",
        content=b'{"lockfileVersion": 3, "packages": {"": {}, "node_modules/ms": {"version": "2.1.3"}}}',
        packages=frozenset({("ms", "2.1.3")}),
    ),
    "opkg": Example(
        path="usr/lib/opkg/status",
        content=b"Package: dropbear\nVersion: 2024.85-r0\nStatus: install user installed\n",
        packages=frozenset({("dropbear", "2024.85-r0")}),
    ),
    "rpm": Example(
        path="var/lib/rpm/rpmdb.sqlite",
        content=sqlite_database(header(name="bash", version="5.2", release="1.el9", epoch=1)),
        packages=frozenset({("bash", "1:5.2-1.el9")}),
    ),
    "conda": Example(
        path="opt/conda/conda-meta/zlib-1.2.11-h90dfc92_1014.json",
        content=b'{"build": "h90dfc92_1014", "name": "zlib", "version": "1.2.11"}',
        packages=frozenset({("zlib", "1.2.11")}),
    ),
    "cran": Example(
        path="usr/local/lib/R/site-library/stringr/DESCRIPTION",
        content=b"Package: stringr\nVersion: 1.5.0\nBuilt: R 4.3.1; ; 2023-09-01 10:00:00 UTC; unix\n",
        packages=frozenset({("stringr", "1.5.0")}),
    ),
    "luarocks": Example(
        path="usr/local/lib/luarocks/rocks-5.1/lpeg/1.0.2-1/lpeg-1.0.2-1.rockspec",
        content=b'package = "LPeg"\nversion = "1.0.2-1"\n',
        packages=frozenset({("LPeg", "1.0.2-1")}),
    ),
    "otp": Example(
        path="usr/lib/erlang/lib/ssl-11.1/ebin/ssl.app",
        content=b'{application, ssl,\n [{description, "TLS"}, {vsn, "11.1"}, {modules, [ssl]}]}.\n',
        packages=frozenset({("ssl", "11.1")}),
    ),
    "wordpress-plugin": Example(
        path="var/www/html/wp-content/plugins/akismet/akismet.php",
        content=b"<?php\n/*\nPlugin Name: Akismet\nVersion: 5.3\n*/\n",
        packages=frozenset({("Akismet", "5.3")}),
    ),
    "bitnami": Example(
        path="opt/bitnami/.bitnami_components.json",
        content=b'{"redis": {"arch": "amd64", "distro": "debian-12", "version": "7.2.4-0"}}',
        packages=frozenset({("redis", "7.2.4-0")}),
    ),
    "sbom": Example(
        path="app/app.cdx.json",
        content=b'{"bomFormat": "CycloneDX", "components": [{"name": "left-pad", "purl": "pkg:npm/left-pad@1.3.0"}]}',
        packages=frozenset({("left-pad", "1.3.0")}),
    ),
    "nuget": Example(
        path="app/shop.deps.json",
        content=b'{"targets": {".NETCoreApp,Version=v8.0": {"Dapper/2.1.35": {"runtime": {"lib/net7.0/Dapper.dll": {}}}}}}',
        packages=frozenset({("Dapper", "2.1.35")}),
    ),
    "assembly": Example(
        path="app/Dapper.dll",
        content=assembly(ProductName="Dapper", ProductVersion="2.1.35"),
        packages=frozenset({("Dapper", "2.1.35")}),
        also="native",
    ),
    "gem": Example(
        path="usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec",
        content=b'Gem::Specification.new do |s|\n  s.name = "rake".freeze\n  s.version = "13.0.6"\nend\n',
        packages=frozenset({("rake", "13.0.6")}),
    ),
    "composer": Example(
        path="srv/app/vendor/composer/installed.json",
        content=b'{"packages": [{"name": "monolog/monolog", "version": "3.6.0"}]}',
        packages=frozenset({("monolog/monolog", "3.6.0")}),
    ),
    "pear": Example(
        path="usr/local/lib/php/.registry/.channel.pecl.php.net/redis.reg",
        content=b'a:2:{s:4:"name";s:5:"redis";s:7:"version";a:1:{s:7:"release";s:5:"6.0.2";}}',
        packages=frozenset({("redis", "6.0.2")}),
    ),
    "x509": Example(path="etc/app/tls.crt", content=pem(signed("example.com")), packages=frozenset()),
    "egg": Example(
        path="lib/python3.11/site-packages/attrs-1.0-py3.11.egg",
        content=jar({"EGG-INFO/PKG-INFO": b"Metadata-Version: 1.0\nName: attrs\nVersion: 1.0\n"}),
        packages=frozenset({("attrs", "1.0")}),
    ),
    "jvm": Example(
        path="app/app.war",
        content=jar(
            {
                "META-INF/maven/com.example/app/pom.properties": b"groupId=com.example\nartifactId=app\nversion=2.0\n",
                "WEB-INF/lib/commons-text-1.9.jar": jar(
                    {
                        "META-INF/MANIFEST.MF": b"Implementation-Vendor-Id: org.apache.commons\n",
                    }
                ),
            }
        ),
        packages=frozenset({("com.example:app", "2.0"), ("org.apache.commons:commons-text", "1.9")}),
    ),
}


@pytest.fixture(params=CATALOGERS)
def cataloger(request: pytest.FixtureRequest) -> AnyCataloger:
    found = CATALOGERS[request.param]
    assert found.type == request.param
    return found


def those_who_want(example: Example, size: int) -> list[str]:
    return [
        each.type
        for each in asked(CATALOGERS.values(), example.path, example.content[:HEAD_BYTES])
        if each.wants(example.path, size)
    ]


def test_everything_in_the_catalog_is_held_to_this_suite() -> None:
    """A cataloger without an example could find nothing, and nobody would know."""
    assert set(EXAMPLES) == set(CATALOGERS)


def test_a_walk_chooses_as_everybody_does() -> None:
    """By tables of what is selected, of which a file may be in several."""
    choice = Choice(CATALOGERS.values())
    for example in EXAMPLES.values():
        head = example.content[:HEAD_BYTES]
        assert set(choice.asked(example.path.encode(), head)) == set(asked(CATALOGERS.values(), example.path, head))
    assert choice.asked(b"srv/notes", b"") == ()


def test_its_own_file_is_kept_by_it_alone(cataloger: AnyCataloger) -> None:
    """By its name or its place it is asked about it, wants it, and no other cataloger does but one that reads all of its format."""
    example = EXAMPLES[cataloger.type]
    assert {*those_who_want(example, len(example.content))} == {cataloger.type, example.also or cataloger.type}


def test_what_is_installed_is_found(cataloger: AnyCataloger) -> None:
    """With name and version, and a purl of the package's type, however the content comes by."""
    example = EXAMPLES[cataloger.type]
    facts = facts_of(cataloger, example.path, example.content)
    assert facts == facts_of(cataloger, example.path, example.content, piece=7)
    assert facts
    if cataloger.type in NOTED:
        assert [(each.path, each.type) for each in facts] == [(example.path, cataloger.type)]
        return
    (database,) = databases_among(facts)
    assert (database.path, database.type) == (example.path, cataloger.type)
    assert {(each.name, each.version) for each in database.packages} == example.packages
    assert all(each.purl.startswith(f"pkg:{each.type}/") for each in database.packages)


def test_a_database_beyond_the_budget_is_known_as_one(cataloger: AnyCataloger) -> None:
    """Wanted at size 0 and not at its own: the caller records that it was not read."""
    example = EXAMPLES[cataloger.type]
    assert {*those_who_want(example, 0)} == {cataloger.type, example.also or cataloger.type}
    assert those_who_want(example, 1 << 40) == []


def test_what_it_selects_can_be_looked_up(cataloger: AnyCataloger) -> None:
    """By the walk, which compares a fixed number of bytes at either end of a file's name and content."""
    selection = cataloger.selection
    assert all(each.startswith(b".") and len(each) >= ENDING_BYTES for each in selection.suffixes)
    assert all(len(each) == HEAD_BYTES for each in selection.heads)


def test_a_version_is_a_number_that_can_be_raised(cataloger: AnyCataloger) -> None:
    """Facts name their makers by it."""
    assert cataloger.version >= 1
