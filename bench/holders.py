"""Which images hold a package: 100 names among many images, with the indexes that lead there and without, in one run.

.venv/bin/python bench/holders.py [IMAGES]
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from bench.results import Result, told
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.store.holders import StoredPackageIndex
from watcher.store.migrate import migrate
from watcher.store.protocol import PackageName, PackageQuery
from watcher.store.tables import findings, image, image_set, package, package_set, reference, set_package, verdict

IMAGES = 10_000
BASES, BASE_PACKAGES = 60, 200
NAMES, OWN_PACKAGES = 12_000, 100
BUDGET_SECONDS = 1.0
INDEXES = ("ix_package_name", "ix_package_source", "ix_package_purl", "ix_set_package_package", "ix_image_set_set")
Row = dict[str, Any]


def record(number: int, kind: str, name: str, version: str) -> Row:
    return {
        "id": number,
        "digest": number.to_bytes(32, "big"),
        "ecosystem": kind,
        "name": name,
        "version": version,
        "source": name,
        "purl": f"pkg:{kind}/{name}@{version}",
        "detail": b"",
    }


def digest_of(number: int) -> Digest:
    return Digest(f"sha256:{sha256(str(number).encode()).hexdigest()}")


def subject(number: int) -> Row:
    place = {"registry": "registry.example.com", "repository": f"team/app{number % 500}", "environment": "production"}
    return {"image_id": number, **place}


def said(number: int) -> Row:
    empty = dict.fromkeys(("policy_revision", "facts_revision", "data_revision", "engine_version", "reason", "media_type"), "")
    return {
        **subject(number),
        **empty,
        "verdict_id": f"v-{number}",
        "outcome": "pass",
        "digest": digest_of(number),
        "tag": "",
        "tags": "",
        "evaluated_at": datetime(2026, 1, 1, tzinfo=UTC),
        "findings_digest": b"",
    }


def fill(connection: Connection, images: int) -> None:
    """Images on few bases, each with packages of its own: as in a fleet, some are everywhere and most in a few images."""
    draw = random.Random(1)

    def insert(table: Table, rows: Sequence[Row]) -> None:
        connection.execute(table.insert(), list(rows))

    bases = [record(n, "deb", f"deb{n % 400}", f"1.{n // 400}") for n in range(BASES * BASE_PACKAGES)]
    own = [record(len(bases) + n, ("npm", "pypi")[n % 2], f"own{n % NAMES}", f"2.{n // NAMES}") for n in range(3 * NAMES)]
    insert(package, bases + own)
    insert(package_set, [{"id": n, "digest": n.to_bytes(32, "big"), "paths": b""} for n in range(BASES + images)])
    insert(
        set_package,
        [{"set_id": n // BASE_PACKAGES, "position": n % BASE_PACKAGES, "package_id": n} for n in range(BASES * BASE_PACKAGES)],
    )
    insert(findings, [{"digest": b"", "blob": b""}])
    for first in range(0, images, 1000):
        numbers = range(first, min(first + 1000, images))
        insert(image, [{"id": n, "digest": digest_of(n), "distro": f"debian:{11 + n % BASES % 2}"} for n in numbers])
        insert(reference, [{**subject(n), "tag": "v1"} for n in numbers])
        insert(verdict, [said(n) for n in numbers])
        insert(
            image_set,
            [
                {"image_id": n, "position": place, "set_id": number, "from_base": place == 0}
                for n in numbers
                for place, number in enumerate((n % BASES, BASES + n))
            ],
        )
        insert(
            set_package,
            [
                {"set_id": BASES + n, "position": place, "package_id": len(bases) + each}
                for n in numbers
                for place, each in enumerate(draw.sample(range(len(own)), OWN_PACKAGES))
            ],
        )


def drop_indexes(connection: Connection) -> None:
    for name in INDEXES:
        connection.exec_driver_sql(f"DROP INDEX {name}")


def wanted(count: int) -> Sequence[PackageName]:
    """As many of the distribution as of languages."""
    half = count // 2
    languages = [PackageName(type=("npm", "pypi")[n % 2], name=f"own{n}") for n in range(half)]
    return [*(PackageName(type="deb", name=f"deb{n * 3}", distro="debian:12") for n in range(half)), *languages]


async def median(run: Callable[[], Awaitable[Any]], times: int = 7) -> tuple[float, Any]:
    took, found = [], None
    for _ in range(times):
        started = time.perf_counter()
        found = await run()
        took.append(time.perf_counter() - started)
    return statistics.median(took), found


async def measure(database: Database, images: int) -> int:
    index = StoredPackageIndex(database)
    names, rare = wanted(100), [PackageName(type="npm", name="own0")]
    questions: dict[str, Callable[[], Awaitable[Any]]] = {
        "holders of 100 names": lambda: index.holders(names),
        "holders of one rare name": lambda: index.holders(rare),
        "first page, a package of every base": lambda: index.holding(PackageQuery(name="deb0")),
        "first page, a rare package": lambda: index.holding(PackageQuery(name="own0")),
        "first page, a purl without version": lambda: index.holding(PackageQuery(purl="pkg:npm/own0")),
    }
    print(f"{images} images of {BASE_PACKAGES + OWN_PACKAGES} packages")
    results = []
    budgets = {"holders of 100 names": 1000 * BUDGET_SECONDS * max(1.0, images / IMAGES)}
    with_indexes = {name: await median(run) for name, run in questions.items()}
    await database.write(drop_indexes)
    for name, run in questions.items():
        seconds, found = with_indexes[name]
        without, again = await median(run, times=3)
        assert len(found) == len(again)
        what = f"{images} images, {name} ({len(found)} found)"
        ours, other = 1000 * seconds, 1000 * without
        results.append(Result(what=what, unit="ms", ours=ours, against="without indexes", other=other, most=budgets.get(name)))
    return told(*results)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    database = Database(path)
    database.own()
    migrate(path)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def main(images: int) -> int:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "watcher.db"
        async with opened(path) as database:
            await database.write(lambda connection: fill(connection, images))
        # Opened again, so that nothing is read from the log that one huge transaction leaves.
        async with opened(path) as database:
            return await measure(database, images)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)))
