"""Lock files, as their tools write them."""

import json
from collections.abc import Mapping

import pytest

from tests.doubles.cataloging import database_of
from tests.doubles.lock_files import COMPOSER, GO_MOD, LOCKS, NPM_3, POM
from watcher.inspection.catalogers.lock import LockCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES

CATALOGER = LockCataloger()


def listed(name: str, content: bytes | str | Mapping[str, object]) -> list[str]:
    """`TYPE NAME VERSION` of each."""
    written = json.dumps(content) if isinstance(content, Mapping) else content
    database = database_of(CATALOGER, f"srv/app/{name}", written.encode() if isinstance(written, str) else written)
    assert database is not None
    assert database.declared
    return [f"{each.type} {each.name} {each.version}" for each in database.packages]


@pytest.mark.parametrize(("name", "content", "packages"), LOCKS, ids=[name for name, _, _ in LOCKS])
def test_what_a_project_depends_on_is_declared(name: str, content: str | Mapping[str, object], packages: list[str]) -> None:
    """Everything with a version, once, for development too; not the project itself, nor what lies beside it."""
    assert listed(name, content) == packages


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package-lock.json", "{}"),
        ("package-lock.json", "[" * 100_000),
        ("package-lock.json", '{"lockfileVersion": 1, "dependencies": ' + '{"a": {"dependencies": ' * 10_000),
        ("bun.lock", '"' + '\\"' * 100_000),
        ("Pipfile.lock", '{"default": []}'),
        ("composer.lock", "{}"),
        ("packages.lock.json", '{"version": 1, "dependencies": {"net6.0": []}}'),
        *((name, "no such file\n") for name in ("yarn.lock", "pnpm-lock.yaml", "poetry.lock", "Cargo.lock", "go.mod", "pom.xml")),
        *((name, "") for name in ("Gemfile.lock", "gradle.lockfile", "mix.lock", "pubspec.lock")),
        ("pom.xml", '<!DOCTYPE a [<!ENTITY b "c">]><project>&b;</project>'),
        ("pom.xml", "<html></html>"),
    ],
)
def test_what_is_no_lock_file_is_damaged(name: str, content: str) -> None:
    """By its name it must be one."""
    with pytest.raises(DamagedDatabaseError, match=f"srv/app/{name}: no lock file"):
        listed(name, content)


def test_a_project_may_depend_on_nothing() -> None:
    """An empty lock file is none that is damaged."""
    assert listed("package-lock.json", {"lockfileVersion": 3, "packages": {}}) == []
    assert listed("package-lock.json", {"lockfileVersion": 1}) == []


def test_package_urls_are_those_of_installed_packages() -> None:
    """Names with scopes, groups and vendors are taken apart, and written as their ecosystem compares them."""
    urls: list[tuple[str, str | Mapping[str, object], str]] = [
        ("package-lock.json", NPM_3, "pkg:npm/%40types/node@20.1.0"),
        ("Pipfile.lock", {"default": {"Zope.Interface": {"version": "==6"}}}, "pkg:pypi/zope-interface@6"),
        ("composer.lock", COMPOSER, "pkg:composer/monolog/monolog@3.6.0"),
        ("go.mod", GO_MOD, "pkg:golang/github.com/one/two@v1.0.0"),
        ("pom.xml", POM, "pkg:maven/com.google.guava/guava@33.0.0-jre"),
    ]
    for name, content, url in urls:
        written = content if isinstance(content, str) else json.dumps(content)
        database = database_of(CATALOGER, name, written.encode())
        assert database is not None
        assert url in {each.purl for each in database.packages}


@pytest.mark.untraced
def test_more_packages_than_anyone_depends_on_are_not_read() -> None:
    """Neither packages nor values without end."""
    places = {f"node_modules/a{number}": {"version": "1"} for number in range(MAX_PACKAGES + 1)}
    with pytest.raises(DatabaseTooLargeError, match="packages"):
        listed("package-lock.json", {"packages": places})
    with pytest.raises(DatabaseTooLargeError, match="values"):
        listed("package-lock.json", b"{" + b"," * 600_000)
    with pytest.raises(DatabaseTooLargeError, match="lines"):
        listed("yarn.lock", b"\n" * 600_000)
    with pytest.raises(DatabaseTooLargeError, match="elements"):
        listed("pom.xml", "<project>" + "<a/>" * 600_000)


def test_a_line_of_a_million_words_is_no_statement() -> None:
    """Nor does it take a million texts."""
    assert listed("go.mod", "module a\nrequire a.com/b v1.0.0\nrequire " + "a " * 1_000_000) == ["golang a.com/b v1.0.0"]


def test_requirements_may_be_called_otherwise_and_written_by_notepad() -> None:
    """Whatever else ends in `.txt` is none."""
    assert listed("requirements.txt", "attrs==20.3.0".encode("utf-16")) == ["pypi attrs 20.3.0"]
    names = ("requirements.txt", "requirements-dev.txt", "test-requirements.txt", "requirements.prod.txt")
    assert all(CATALOGER.wants(f"srv/{name}", 1) for name in names)
    assert not any(CATALOGER.wants(f"srv/{name}", 1) for name in ("a.txt", "requirements", "myrequirements.txt"))


def test_lock_files_of_installed_packages_are_left_alone() -> None:
    """Nobody installs by them: what is below `node_modules` is read as what is installed there."""
    assert CATALOGER.wants("package-lock.json", 10)
    assert CATALOGER.wants("srv/app/package-lock.json", 10)
    assert not CATALOGER.wants("srv/app/package.json", 10)
    for directory in ("node_modules/a", "usr/lib/python3/dist-packages/a", "srv/vendor/bundle/ruby/a", "ruby/gems/3.1.0/gems/a"):
        assert not CATALOGER.wants(f"{directory}/package-lock.json", 10)
    for path in ("root/go/pkg/mod/a@v1/go.mod", "root/.cargo/registry/src/a/Cargo.lock", "classes/META-INF/maven/a/b/pom.xml"):
        assert not CATALOGER.wants(path, 10)
