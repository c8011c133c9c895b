"""How images become rows: packages once by content, sets shared by images."""

from collections.abc import AsyncIterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.inventories import BOTTOM, TOP, a_package, an_inventory, layer_facts, layers
from tests.doubles.routes import nobody
from tests.doubles.verdicts import IMAGE, MOMENT, SUBJECT, a_verdict
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.inventory import Inventory, Package, PackageRecord
from watcher.store.chain import chain_ids
from watcher.store.facts import LayerStore
from watcher.store.packages import Records, read_packages, runs_of
from watcher.store.protocol import Judged
from watcher.store.statements import pack, pack_files, unpack_files
from watcher.store.verdicts import StoredVerdicts

OTHER = Digest("sha256:" + "d" * 64)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "watcher.db") as opened:
        yield opened


async def record(database: Database, verdict_id: str, inventory: Inventory) -> None:
    said = a_verdict(id=verdict_id, subject=replace(SUBJECT, digest=inventory.digest))
    await StoredVerdicts(database, lambda: MOMENT).record([Judged(verdict=said, inventory=inventory)], nobody)


async def rows(database: Database, statement: str) -> list[Any]:
    found = await database.read(lambda connection: connection.exec_driver_sql(statement).all())
    return [tuple(row) for row in found]


async def test_images_on_one_base_share_its_set(database: Database) -> None:
    """The packages of a common base are one set, however many images stand on it and put their own between them."""
    base = (a_package("libc6"), a_package("bash"))
    await record(database, "v-1", an_inventory(packages=(*base, a_package("one", layer=1))))
    second = an_inventory(digest=OTHER, packages=(base[0], a_package("two", layer=1), base[1]))
    await record(database, "v-2", second)
    assert await rows(database, "SELECT name FROM package ORDER BY name") == [("bash",), ("libc6",), ("one",), ("two",)]
    assert await rows(database, "SELECT count(*) FROM set_package GROUP BY set_id ORDER BY 1") == [(1,), (1,), (2,)]
    assert await rows(database, "SELECT count(*) FROM set_package") == [(4,)]
    holders = """SELECT image.digest, from_base FROM package JOIN set_package ON package_id = package.id
        JOIN image_set USING (set_id) JOIN image ON image.id = image_id WHERE name = 'bash' ORDER BY image.digest"""
    assert await rows(database, holders) == [(IMAGE, 1), (OTHER, 1)]


async def test_one_purl_with_other_licences_is_another_package(database: Database) -> None:
    """A package is all of its intrinsic fields: what a rule can read is never shared with a record that differs in it."""
    packages = (a_package("bash"), a_package("bash", licenses=("GPL-3.0",), path="other", layer=1))
    await record(database, "v-1", an_inventory(packages=packages))
    assert len(await rows(database, "SELECT id FROM package WHERE purl = 'pkg:deb/debian/bash@1.0'")) == 2


async def test_a_package_keeps_everything_its_database_said(database: Database) -> None:
    """Nothing of a record is lost; `source` is what advisories are matched on, the package itself where it names none."""
    record_ = PackageRecord(type="apk", name="so", version="2", source="src", source_version="1", licenses=("MIT",), maintainer="m")
    record_ = replace(record_, purl="pkg:apk/so@2", architecture="amd64", licensed_in="LICENSE")
    # Where in its file a package was is in its path by then.
    assert all(getattr(record_, each.name) for each in fields(PackageRecord) if each.name != "place")
    packages = (Package(record=record_, path="p", layer=0), a_package("bash"), a_package("ash", source="ash"))
    await record(database, "v-1", an_inventory(packages=packages))
    found = await rows(database, "SELECT ecosystem, name, version, source FROM package WHERE name != 'ash' ORDER BY name")
    assert found == [("deb", "bash", "1.0", "bash"), ("apk", "so", "2", "src")]
    (image_id,) = (await rows(database, "SELECT id FROM image"))[0]
    again = await database.read(lambda connection: list(read_packages(connection, image_id, runs_of(packages), Records())))
    assert [each.record for each in again] == [each.record for each in packages]


async def test_a_record_is_read_once_for_all_images(database: Database) -> None:
    """In the order that is asked for, also when more are asked for than are remembered."""
    packages = tuple(a_package(f"p{number}") for number in range(9))
    await record(database, "v-1", an_inventory(packages=packages))
    ids = [number for (number,) in await rows(database, "SELECT id FROM package ORDER BY id DESC")]
    expected = [name for (name,) in await rows(database, "SELECT name FROM package ORDER BY id DESC")]
    for limit in (4, 100):
        records = Records(limit)
        for asked in (slice(0, 5), slice(3, 9), slice(0, 9)):
            found = await database.read(lambda connection, asked=asked, records=records: records.of(connection, ids[asked]))  # type: ignore[misc]
            assert [each.name for each in found] == expected[asked]
    twice = await database.read(lambda connection: [*records.of(connection, ids), *records.of(connection, ids)])
    assert all(one is other for one, other in zip(twice[:9], twice[9:], strict=True))


async def test_sets_name_the_layer_that_brought_them(database: Database) -> None:
    """And whether the base brought that layer. A layer without packages leaves a gap."""
    packages = (a_package("libc6"), a_package("app", layer=2))
    await record(database, "v-1", an_inventory(packages=packages, layers=layers(BOTTOM, TOP, OTHER)))
    assert await rows(database, "SELECT position, from_base FROM image_set ORDER BY position") == [(0, 1), (2, 0)]


async def test_a_layer_is_kept_once(database: Database) -> None:
    """Facts of newer makers take the row of the older ones."""
    await LayerStore(database).keep_layer(layer_facts(digest=BOTTOM))
    await LayerStore(database).keep_layer(layer_facts(digest=BOTTOM, makers=("deb/2", "reader/1")))
    assert await rows(database, "SELECT digest, makers FROM layer") == [(BOTTOM, "deb/2 reader/1")]
    assert await rows(database, "SELECT count(*) FROM layer_files") == [(1,)]


async def test_a_second_verdict_on_the_same_facts_writes_only_itself(database: Database) -> None:
    """Judging again what was inspected before adds a verdict, and findings only where they differ."""
    await record(database, "v-1", an_inventory())
    counted = "SELECT (SELECT count(*) FROM image_set), (SELECT count(*) FROM findings), (SELECT count(*) FROM verdict)"
    assert await rows(database, counted) == [(2, 1, 1)]
    await record(database, "v-2", an_inventory())
    assert await rows(database, counted) == [(2, 1, 2)]


async def test_other_facts_replace_what_an_image_is_made_of(database: Database) -> None:
    """Newer makers' packages take the place of the old ones; sets that others may use stay."""
    await record(database, "v-1", an_inventory())
    await record(database, "v-2", an_inventory(facts_revision="sha256:" + "5" * 64, packages=(a_package("only"),)))
    held = "SELECT name FROM image_set JOIN set_package USING (set_id) JOIN package ON package.id = package_id"
    assert await rows(database, held) == [("only",)]
    assert await rows(database, "SELECT count(*) FROM package_set") == [(3,)]


async def test_what_two_layers_bring_alike_is_kept_once(database: Database) -> None:
    """A package that two layers install is one package, one set where its path is equal too, and stays twice in the image."""
    packages = (a_package("a"), a_package("a", layer=1), a_package("a", layer=2, path="x"))
    await record(database, "v-1", an_inventory(packages=packages))
    counted = "SELECT (SELECT count(*) FROM package), (SELECT count(*) FROM package_set), (SELECT count(*) FROM image_set)"
    assert await rows(database, counted) == [(1, 2, 3)]


async def test_an_image_without_layers_has_no_chain(database: Database) -> None:
    """An image of nothing is recorded, and is nobody's base."""
    await record(database, "v-1", an_inventory(layers=layers(), packages=()))
    assert await rows(database, "SELECT chain_id FROM image") == [(None,)]


async def test_thousands_of_packages_are_recorded(database: Database) -> None:
    """More packages than one statement may name."""
    packages = tuple(a_package(f"p{number}", layer=number % 3) for number in range(1501))
    await record(database, "v-1", an_inventory(packages=packages))
    assert await rows(database, "SELECT count(*) FROM set_package") == [(1501,)]


def test_a_chain_is_named_by_the_order_of_its_layers() -> None:
    """The first layer's chain is the layer; each further one depends on all below, in their order."""
    ids = chain_ids((BOTTOM, TOP))
    assert ids[0] == BOTTOM
    assert ids[1] != chain_ids((TOP, BOTTOM))[1]
    assert chain_ids((BOTTOM, TOP, OTHER))[:2] == ids
    assert chain_ids(()) == []


def test_files_that_an_earlier_version_packed_are_read() -> None:
    """It packed all of them at once."""
    files = layer_facts().files
    assert len(files) > 0
    assert unpack_files(pack(files)) == unpack_files(pack_files(files)) == files
