"""Lock files, as their tools write them."""

import json
from collections.abc import Mapping

import pytest

from tests.doubles.cataloging import database_of
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


NPM_3 = {
    "name": "app",
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "app", "version": "1.0.0", "dependencies": {"ms": "^2.0.0"}},
        "libs/own": {"name": "own", "version": "0.1.0"},
        "node_modules/own": {"resolved": "libs/own", "link": True},
        "node_modules/ms": {"version": "2.1.3", "dev": True},
        "node_modules/@types/node": {"version": "20.1.0"},
        "node_modules/wrap": {"name": "wrap-ansi", "version": "7.0.0"},
        "node_modules/ms/node_modules/debug": {"version": "4.3.4"},
    },
    "dependencies": {"ignored": {"version": "1"}},
}
NPM_1 = {
    "lockfileVersion": 1,
    "dependencies": {
        "ms": {"version": "2.1.3", "requires": {"debug": "*"}, "dependencies": {"debug": {"version": "4.3.4"}}},
        "wrap": {"version": "npm:wrap-ansi@7.0.0"},
        "scoped": {"version": "npm:@types/node@20.1.0"},
        "own": {"version": "file:libs/own"},
        "left": {"version": "git+ssh://git@github.com/a/left.git#0123abc"},
    },
}
BUN = """{
  "lockfileVersion": 1,
  "workspaces": {"": {"name": "app", "dependencies": {"ms": "2.1.3,",},},},
  "packages": {
    "ms": ["ms@2.1.3", "", {}, "sha512-a,}"],
    "@types/node": ["@types/node@20.1.0", "", {"dependencies": {"a": "1",}}, "sha512-b\\","],
    "own": ["own@workspace:libs/own"],
  },
}
"""
PIPFILE = {
    "_meta": {"pipfile-spec": 6},
    "default": {"Django": {"version": "==4.2.1", "hashes": []}, "own": {"path": "."}},
    "develop": {"pytest": {"version": "==8.0"}},
}
COMPOSER = {
    "packages": [{"name": "Monolog/monolog", "version": "3.6.0"}],
    "packages-dev": [{"name": "phpunit/phpunit", "version": "v11.0.1"}],
    "platform": {"php": ">=8"},
}
NUGET = {
    "version": 1,
    "dependencies": {
        "net6.0": {"Serilog": {"type": "Direct", "requested": "[2, )", "resolved": "2.10.0"}, "own": {"type": "Project"}},
        "net8.0": {"Serilog": {"type": "Transitive", "resolved": "2.10.0"}},
    },
}

LOCKS: list[tuple[str, str | Mapping[str, object], list[str]]] = [
    ("package-lock.json", NPM_3, ["npm ms 2.1.3", "npm @types/node 20.1.0", "npm wrap-ansi 7.0.0", "npm debug 4.3.4"]),
    (
        "npm-shrinkwrap.json",
        NPM_1,
        [
            "npm ms 2.1.3",
            "npm wrap-ansi 7.0.0",
            "npm @types/node 20.1.0",
            "npm left git+ssh://git@github.com/a/left.git#0123abc",
            "npm debug 4.3.4",
        ],
    ),
    ("bun.lock", BUN, ["npm ms 2.1.3", "npm @types/node 20.1.0"]),
    ("Pipfile.lock", PIPFILE, ["pypi Django 4.2.1", "pypi pytest 8.0"]),
    ("composer.lock", COMPOSER, ["composer Monolog/monolog 3.6.0", "composer phpunit/phpunit v11.0.1"]),
    ("packages.lock.json", NUGET, ["nuget Serilog 2.10.0"]),
]


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
    urls = [
        ("package-lock.json", NPM_3, "pkg:npm/%40types/node@20.1.0"),
        ("Pipfile.lock", {"default": {"Zope.Interface": {"version": "==6"}}}, "pkg:pypi/zope-interface@6"),
        ("composer.lock", COMPOSER, "pkg:composer/monolog/monolog@3.6.0"),
    ]
    for name, content, url in urls:
        database = database_of(CATALOGER, name, json.dumps(content).encode())
        assert database is not None
        assert url in {each.purl for each in database.packages}


def test_more_packages_than_anyone_depends_on_are_not_read() -> None:
    """Neither packages nor values without end."""
    places = {f"node_modules/a{number}": {"version": "1"} for number in range(MAX_PACKAGES + 1)}
    with pytest.raises(DatabaseTooLargeError, match="packages"):
        listed("package-lock.json", {"packages": places})
    with pytest.raises(DatabaseTooLargeError, match="values"):
        listed("package-lock.json", b"{" + b"," * 600_000)


def test_lock_files_of_installed_packages_are_left_alone() -> None:
    """Nobody installs by them: what is below `node_modules` is read as what is installed there."""
    assert CATALOGER.wants("package-lock.json", 10)
    assert CATALOGER.wants("srv/app/package-lock.json", 10)
    assert not CATALOGER.wants("srv/app/package.json", 10)
    for directory in ("node_modules/a", "usr/lib/python3/dist-packages/a", "srv/vendor/bundle/ruby/a", "ruby/gems/3.1.0/gems/a"):
        assert not CATALOGER.wants(f"{directory}/package-lock.json", 10)
