"""What a store knows of images outlives the upgrade of its tables."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.doubles.databases import open_database
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.inspection.image.merge import merged_files
from watcher.model.digest import Digest
from watcher.model.inspection_json import inspection_bytes
from watcher.model.inventory import Distro
from watcher.store.facts import LayerStore
from watcher.store.images import StoredImages
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts

# `0001.sql` is the dump of a store of the first version, `0001.inspections.json` what that version answered about its images.
# That version took a user without a uid for one that is not root; such a user is unknown since, and null here.
GOLDEN = Path(__file__).parents[2] / "golden" / "store"
EXPECTED = [line.removesuffix(b",") for line in (GOLDEN / "0001.inspections.json").read_bytes().splitlines()[1:-1]]


@pytest.fixture
def of_the_first_version(tmp_path: Path) -> Path:
    """A store with four images, as the first version left it."""
    path = tmp_path / "watcher.db"
    with sqlite3.connect(path) as connection:
        connection.executescript((GOLDEN / "0001.sql").read_text())
    connection.close()
    return path


def before_later_fields(document: dict[str, Any]) -> dict[str, Any]:
    """What was answered before there were these fields, which say nothing of what was recorded then."""
    assert document.pop("sbom") == {"documents": [], "missing": [], "extra": []}
    assert all(document.pop(name) == [] for name in ("programs", "declared", "leftovers", "certificates", "keys"))
    assert document["files"].pop("sha256") == {}
    assert {package.pop(name) for package in document["packages"] for name in ("owner", "licensed_in")} <= {""}
    return document


async def test_inspections_outlive_an_upgrade(of_the_first_version: Path) -> None:
    """What the first version recorded is answered as it was, and its layers need not be read again."""
    assert len(EXPECTED) == 4
    async with open_database(of_the_first_version) as database:
        images, layers = StoredImages(database, merged_files), LayerStore(database)
        for each in EXPECTED:
            document = json.loads(each)
            inventory = await images.inventory(Digest(document["digest"]))
            assert inventory is not None
            assert before_later_fields(json.loads(inspection_bytes(inventory))) == document
            for layer in document["layers"]:
                facts = await layers.layer(Digest(layer["digest"]))
                assert facts is not None
                assert facts.makers == ("apk/1", "deb/1", "npm/1", "pypi/1", "reader/1", "secrets/1")
                assert len(facts.files) == layer["files"]
    with sqlite3.connect(of_the_first_version) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


async def test_an_image_inspected_again_finds_its_packages_after_an_upgrade(of_the_first_version: Path) -> None:
    """The upgrade names packages and sets as the code does: an equal inspection adds neither."""
    counted = "SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM package_set), (SELECT count(*) FROM set_package)"
    async with open_database(of_the_first_version) as database:

        def counts(connection: Connection) -> tuple[int, ...]:
            return tuple(connection.exec_driver_sql(counted).one())

        before = await database.read(counts)
        digests = [json.loads(each)["digest"] for each in EXPECTED]
        restored = [await StoredImages(database, merged_files).inventory(Digest(each)) for each in digests]
        held = [inventory for inventory in restored if inventory is not None]
        assert [len(inventory.packages) for inventory in held] == [3, 7, 5, 0]
        for number, inventory in enumerate(held):
            said = a_verdict(id=f"again-{number}", subject=replace(SUBJECT, digest=inventory.digest))
            await StoredVerdicts(database, lambda: MOMENT).record([Judged(verdict=said, inventory=inventory)], lambda *_: ())
        assert await database.read(counts) == before == (6, 3, 7)


async def test_images_are_found_by_their_distribution_after_an_upgrade(of_the_first_version: Path) -> None:
    """The upgrade reads it from what was recorded, as recording does."""

    def distros(connection: Connection) -> dict[str, str]:
        return {row.digest: row.distro for row in connection.exec_driver_sql("SELECT digest, distro FROM image")}

    documents = [json.loads(each) for each in EXPECTED]
    async with open_database(of_the_first_version) as database:
        found = await database.read(distros)
    assert {each["digest"]: found[each["digest"]] for each in documents} == {
        each["digest"]: Distro(id=each["distro"]["id"], version=each["distro"]["version"]).release for each in documents
    }
    assert "debian:12" in found.values()
