"""Any bytes are a package database, nothing, or one of our errors."""

import zlib
from base64 import b64encode
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.cataloging import databases_among, facts_of
from tests.doubles.certificates import signed
from tests.doubles.programs_for_windows import assembly, program
from tests.doubles.rpm_databases import hash_database, header, ndb_database, sqlite_database
from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.distro import distro_of
from watcher.inspection.catalogers.passwd import parse_passwd
from watcher.inspection.catalogers.protocol import AnyCataloger, Facts, PartlyReadError
from watcher.inspection.catalogers.x509_keys import LABELS
from watcher.inspection.image.running_as import started_as
from watcher.model.errors import PermanentError
from watcher.model.inventory import Note
from watcher.model.moments import moment_of

PLACES = {
    "copyright": "usr/share/doc/a/copyright",
    "egg": "site-packages/a.egg",
    "licence": "node_modules/a/LICENSE",
    "x509": "etc/a.pem",
    "alpm-files": "var/lib/pacman/local/a-1-1/files",
    "opkg-list": "usr/lib/opkg/info/a.list",
    "dpkg-list": "var/lib/dpkg/info/a.list",
    "deb": "var/lib/dpkg/status",
    "apk": "lib/apk/db/installed",
    "pypi": "a.dist-info/METADATA",
    "native": "usr/bin/a",
    "npm": "node_modules/a/package.json",
    "alpm": "var/lib/pacman/local/a/desc",
    "ebuild": "var/db/pkg/a/b-1/CONTENTS",
    "ebuild-licence": "var/db/pkg/a/b-1/LICENSE",
    "java-release": "opt/java/release",
    "linux": "boot/vmlinuz-1",
    "lock": "app/package-lock.json",
    "opkg": "usr/lib/opkg/info/a.control",
    "rpm": "var/lib/rpm/Packages",
    "jvm": "app/a.jar",
    "conda": "conda-meta/a-1-0.json",
    "cran": "usr/lib/R/library/a/DESCRIPTION",
    "luarocks": "rocks-5.4/a/1-1/a-1-1.rockspec",
    "otp": "ebin/a.app",
    "wordpress-plugin": "wp-content/plugins/a/a.php",
    "bitnami": "opt/bitnami/a/.spdx-a.spdx",
    "sbom": "a.spdx.json",
    "nuget": "app/a.deps.json",
    "assembly": "app/Microsoft.NETCore.App/8.0.1/a.dll",
    "gem": "specifications/a.gemspec",
    "composer": "vendor/composer/installed.json",
    "pear": ".registry/a.reg",
}

words = st.sampled_from(
    [
        *(
            b"Package",
            b"Status",
            b"Version",
            b"Source",
            b": ",
            b":",
            b"install ok installed",
            b"P:",
            b"V:",
            b"\n",
            b"\r\n",
            b"\n\n",
            b" (",
            b")",
        ),
        *(
            b"Name",
            b"Classifier",
            b"License :: ",
            b"License",
            b"{",
            b"}",
            b"[",
            b"]",
            b'"name"',
            b'"version"',
            b'"license"',
            b'"',
            b",",
            b"1e999",
        ),
        *(
            b"ID=",
            b"VERSION_ID=",
            b"'",
            b'"',
            b"\\",
            b"#",
            b"\0",
            b"\xff",
            b"\xed\xa0\x80",
            b"%NAME%",
            b"|| (",
            b"%VERSION%",
            b"JAVA_VERSION=",
            b"x:0:0",
            b"99999999999",
            b"-1",
            b"\xd9\xa1",
            b"a",
        ),
        *(
            b"\x7fELF\x02\x01\x01" + bytes(25) + b"\x40" + bytes(13) + b"\x38\x00\x01\x00",
            b"\xff Go buildinf:\x08\x02" + bytes(16),
            b"\xff Go buildinf:\x04\x00\x40\x00\x00\x00" + bytes(12),
            bytes.fromhex("3077af0c9274080241e1c107e6d618e6"),
            bytes.fromhex("f932433186182072008242104116d8f2"),
            b"\x08go1.22.1",
            b"go1.16.5",
            b"\x40",
            b"mod\texample.com/a\t(devel)\n",
            b"dep\texample.com/b\tv1.0.0\th1:x\n",
            b"=>\t./c\n",
            zlib.compress(b'{"packages":[{"name":"a","version":"1"}]}'),
            b"x\x9c\x8d\x8d",
            b'build\t-ldflags="-X main.version=1.2.3"\n',
        ),
        *(
            b"# stub: a 1 ruby",
            b"s.name = ",
            b"s.version = %q{",
            b"s.licenses = [",
            b".freeze",
            b"\\u{41}",
            b"'packages'",
            b'"packages":',
        ),
        *(b'{"targets":{"t":{', b'"A/1":{"runtime":{"a.dll":{}}}', b'"A/1":{"dependencies":{"B/2":"2"}},', b"}}}"),
        *(assembly(), assembly(ProductName="a", ProductVersion="1"), program({"ProductVersion": "1"}, managed=False)),
        *(b"{application, ", b"[{vsn, ", b'"1.0"', b"}]}.", b"%", b"Plugin Name: a", b"Version: 1"),
        *(b'{"packages":[', b'{"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:bitnami/a@1?arch=b"}]}', b"]}"),
        *(b'{"bomFormat":"CycloneDX","components":[', b'{"purl":"pkg:npm/%00/a@%0a1?b=%ff"}', b'{"purl":"pkg:a/%2f@1%40"}'),
        *(b"Built: R 4", b"package = ", b"description = {", b"license = ", b"[[", b"]]", b"--", b"..", b"'"),
        *(b"a:1:{", b"a:2:{", b's:4:"name";', b's:7:"version";', b's:1:"b";', b"i:1;", b"N;", b'O:1:"a":1:{'),
        *(b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN PKCS7-----\n", b"-----END ", b"MAow", b"\x30\x80", b"\x30\x82\x00\x10"),
        *(b"Format: ", b"License: ", b"GPL-2+", b"/usr/share/common-licenses/", b"any later version", b"public domain"),
    ]
)
content = st.one_of(st.binary(max_size=300), st.lists(words, max_size=40).map(b"".join))


def outcome(cataloger: AnyCataloger, content: bytes, piece: int) -> Facts:
    try:
        return facts_of(cataloger, PLACES[cataloger.type], content, piece=piece)
    except PartlyReadError as error:
        return error.facts
    except PermanentError:
        return ()


@pytest.mark.parametrize("cataloger", CATALOGERS.values(), ids=lambda cataloger: cataloger.type)
@given(content=content, piece=st.integers(1, 64))
def test_any_bytes_are_a_database_or_our_error(cataloger: AnyCataloger, content: bytes, piece: int) -> None:
    """What is returned is complete: every package has a name, a version and a purl, all printable. However it comes by."""
    whole, pieces = (outcome(cataloger, content, size) for size in (0, piece))
    assert whole == pieces
    for note in (each for each in whole if isinstance(each, Note)):
        assert note.licenses
        assert all(each.isprintable() and len(each) <= 256 for each in note.licenses)
    for package in (each for database in databases_among(whole) for each in database.packages):
        assert package.name
        assert package.version
        assert package.purl.startswith(f"pkg:{package.type}/")
        texts = (package.name, package.version, package.architecture, package.source, package.maintainer, *package.licenses)
        assert all(text.isprintable() and len(text) <= 256 for text in texts)


LOCKS = sorted(name.decode() for name in CATALOGERS["lock"].selection.names)
lock_words = st.sampled_from(
    [
        *(b"\n", b"\n  ", b"\n    ", b" ", b":", b": ", b"=", b"==", b"=>", b"(", b")", b"@", b"/", b'"', b"'", b",", b"{", b"}"),
        *(b"[[package]]\n", b'name = "a"\n', b'version = "1"\n', b"__metadata:", b'  version "1"\n', b"packages:\n"),
        *(b"lockfileVersion: 5", b"lockfileVersion: '9.0'", b"/a/1_b", b"a@1(b@2)", b"npm:", b"module a\n", b"require (\n"),
        *(b"replace a", b"a v1\n", b"GEM\n", b"    a (1-b)\n", b"a:b:1=c\n", b"%{", b'"a": {:hex, :a, "1"'),
        *(b"<project>", b"</project>", b"<dependencies>", b"<dependency>", b"<version>${a}</version>", b"<properties><a>${a}</a>"),
        *(b'"lockfileVersion":3', b'"packages":{', b'"dependencies":{', b'"node_modules/a":{"version":"1"}', b"\0", b"\xff\xfe"),
    ]
)


@given(
    name=st.sampled_from([*LOCKS, "requirements.txt"]),
    content=st.one_of(st.binary(max_size=200), st.lists(lock_words, max_size=30).map(b"".join)),
)
def test_any_bytes_are_a_lock_file_or_our_error(name: str, content: bytes) -> None:
    """Whatever it is called."""
    try:
        databases = databases_among(facts_of(CATALOGERS["lock"], name, content))
    except PermanentError:
        return
    packages = [package for database in databases for package in database.packages]
    assert all(each.name and each.version and each.purl.startswith(f"pkg:{each.type}/") for each in packages)
    assert all(text.isprintable() and len(text) <= 256 for each in packages for text in (each.name, each.version))


@pytest.mark.parametrize("kind", [sqlite_database, ndb_database, hash_database], ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_damaged_rpm_database_is_our_error(kind: Callable[..., bytes], data: st.DataObject) -> None:
    """Whatever bytes of it are others, wherever it ends."""
    content = bytearray(kind(*(header(name=f"p{each}", version="1", release="1", licence="MIT " * 600) for each in range(3))))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    outcome(CATALOGERS["rpm"], bytes(content[: data.draw(st.integers(0, len(content)))]), 0)


key_words = [b"-----BEGIN ", *sorted(LABELS), b"-----", b"-----END ", b"\n", b"a: b\n\n", b"ssh-rsa "]
BASE64 = st.binary(max_size=40).map(b64encode)
CERTIFICATE = signed("a", ca=True).public_bytes(Encoding.DER)


@given(data=st.data())
def test_a_damaged_certificate_is_one_or_none(data: st.DataObject) -> None:
    """Whatever bytes of it are others, wherever it ends: what is told is printable, and every time is one."""
    content = bytearray(CERTIFICATE)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    for listed in facts_of(CATALOGERS["x509"], "a.der", bytes(content[: data.draw(st.integers(0, len(content)))])):
        for record in listed.certificates:
            assert (record.subject + record.issuer + record.key_algorithm + record.signature_algorithm).isprintable()
            assert all(not each or moment_of(each) for each in (record.not_before, record.not_after))
            assert 0 <= record.key_bits <= 8 * len(CERTIFICATE)


@given(
    name=st.sampled_from(["a.key", "authorized_keys", "a.pub", "a.p12"]),
    content=st.lists(st.one_of(st.sampled_from(key_words), BASE64), max_size=12).map(b"".join),
)
def test_any_bytes_are_keys(name: str, content: bytes) -> None:
    """Whatever says that it is one."""
    for listed in facts_of(CATALOGERS["x509"], name, content):
        assert all(key.kind and key.algorithm.isprintable() and 0 <= key.bits <= 8 * len(content) + 521 for key in listed.keys)


@given(st.sampled_from(["etc/os-release", "etc/alpine-release", "etc/debian_version"]), content)
def test_any_bytes_are_a_distribution(path: str, content: bytes) -> None:
    """Never an error: an image may hold anything there."""
    distro = distro_of({path: content})
    assert distro.known or distro.id == ""


@given(content, content, st.text(max_size=20))
def test_any_bytes_are_users(passwd: bytes, group: bytes, user: str) -> None:
    """Never an error, and never a uid that no runtime takes."""
    assert all(0 <= listed.uid < 2**31 for listed in parse_passwd(passwd))
    uid = started_as(user, passwd, group)
    assert uid is None or 0 <= uid < 2**31
