"""What lock files list: beside what is installed, and with a section of its own."""

from typing import Any

import pytest

from tests.unit.inspection.test_file_contents import read
from tests.unit.inspection.test_installed import DEBIAN, layer
from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.confined.file_contents import FileContents
from watcher.inspection.hiding import Hiding, hidden_layer
from watcher.inspection.image.installed import declared_of, packages_of
from watcher.inspection.image.merge import merge
from watcher.inspection.problems import ProblemList
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import Database, Limits, Message, Problems
from watcher.model.digest import digest_of
from watcher.model.inventory import LayerFacts, PackageDatabase, PackageRecord

LOCK = "srv/app/package-lock.json"
CONTENT = b'{"packages": {"node_modules/ms": {"version": "2.1.3"}}}'
LIMITS = Limits(plain_bytes=1 << 30, files=1000, memory_bytes=1 << 30, cpu_seconds=60)
BOTH = (CATALOGERS["lock"], CATALOGERS["npm"])


def locked(path: str, *names: str, rows: tuple[str, ...] = (), **facts: Any) -> LayerFacts:
    records = tuple(PackageRecord(type="npm", name=name, version="1", purl=f"pkg:npm/{name}@1") for name in names)
    database = PackageDatabase(path=path, type="lock", packages=records, declared=True)
    made = layer(path, *rows, packages=("bash",), **facts)
    return LayerFacts(
        digest=made.digest,
        compressed_bytes=0,
        plain_bytes=0,
        files=made.files,
        databases=(*made.databases, database),
        whiteouts=made.whiteouts,
    )


def collected(*messages: Message) -> LayerFacts:
    collector = Collector(LIMITS)
    for each in messages:
        collector.add(each)
    return collector.facts(digest_of(b"layer"), ())


def problems(*members: tuple[str, bytes]) -> list[tuple[str, tuple[str, ...]]]:
    found = read(*members, by=BOTH)
    return [(problem.reason, problem.sections) for each in found if isinstance(each, Problems) for problem in each.problems]


def test_what_a_lock_file_lists_is_declared_and_not_installed() -> None:
    """It has the layer that brought it, and is gone with its file."""
    merged = merge([locked(LOCK, "a"), locked("srv/b/yarn.lock", "b")])
    assert [each.record.name for each in packages_of(merged, DEBIAN, 1)] == ["bash"]
    found = [(each.record.name, each.path, each.layer, each.from_base) for each in declared_of(merged, DEBIAN, 1)]
    assert found == [("a", LOCK, 0, True), ("b", "srv/b/yarn.lock", 1, False)]
    assert declared_of(merge([locked(LOCK, "a"), layer(whiteouts=(LOCK,))]), DEBIAN, 0) == ()


def test_it_comes_from_the_worker_as_such() -> None:
    """What is read of a lock file is marked, whatever it is cut into."""
    facts = collected(*read((LOCK, CONTENT), by=BOTH))
    assert [(each.path, each.type, each.declared, each.packages[0].name) for each in facts.databases] == [
        (LOCK, "lock", True, "ms")
    ]


def test_a_damaged_lock_file_leaves_packages_complete() -> None:
    """Only what is declared is not all known; a damaged database of the same layer is told beside it."""
    assert problems((LOCK, b"{")) == [("damaged-database", ("declared",))]
    installed = "srv/app/node_modules/a/package.json"
    assert problems((LOCK, b"{"), (installed, b"{}")) == [
        ("damaged-database", ("declared",)),
        ("damaged-database", ("packages",)),
    ]
    contents = FileContents(emit=lambda _: None, problems=ProblemList(), catalogers=BOTH)
    assert contents.wanted(0, LOCK.encode(), 0o644, 1 << 40, b"{", 512) == (False, None)
    assert [(each.reason, each.sections) for each in contents.problems.all()] == [("database-too-large", ("declared",))]


@pytest.mark.untraced
def test_many_lock_files_are_not_read_without_end() -> None:
    """A layer with more of them than anyone has is read all the same."""
    places = b", ".join(b'"node_modules/a%d": {"version": "1"}' % number for number in range(30_000))
    content = b'{"packages": {%s}}' % places
    found = read(*((f"{number}/package-lock.json", content) for number in range(4)), by=BOTH)
    facts = collected(*found)
    assert [each.path for each in facts.databases] == ["0/package-lock.json", "1/package-lock.json", "2/package-lock.json"]
    assert [(each.reason, each.sections) for each in facts.problems] == [("too-many-declared", ("declared",))]


def test_links_to_lock_files_are_told_of() -> None:
    """Where one leads to what was not read as a lock file, not all that is declared is known."""
    merged = merge([locked("srv/real.json", rows=(f"{LOCK} -> real.json",))])
    assert merged.unread_databases == {}
    assert LOCK in merge([layer("srv/app/real.json", f"{LOCK} -> real.json")]).unread_locks
    assert merge([locked(LOCK, "a", rows=("opt/package-lock.json -> ../srv/app/package-lock.json",))]).unread_locks == {}


def test_secrets_in_lock_files_are_hidden() -> None:
    """As a password that stands in a name; then what is declared is not all known."""
    facts = locked(LOCK, "hunter2-tool")
    hidden = hidden_layer(facts, Hiding(texts={"hunter2": "***"}, uncertain=frozenset({"hunter2"})))
    (database,) = (each for each in hidden.databases if each.declared)
    assert [each.name for each in database.packages] == ["***-tool"]
    assert [each.sections for each in hidden.problems] == [("declared",)]


def test_a_database_of_a_worker_is_only_declared_when_it_says_so() -> None:
    """As of one that was read before there were lock files."""
    message = Database(path="p", type="deb", system=True, packages=(), more=False)
    assert not message.declared
