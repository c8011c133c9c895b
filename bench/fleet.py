"""A fleet that was judged: images on few bases, recorded as the daemon records them, and advisories about their packages.

What a push costs is not paid: nothing is fetched and nothing is read. Everything else is as in earnest: facts of layers with their
lists of files, sets of packages, one verdict each.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.doubles.inventories import an_inventory
from tests.doubles.verdicts import a_verdict
from watcher.advisories.importing import import_paths
from watcher.kit.clock import utc_now
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.inventory import Base, Distro, FileTable, Inventory, LayerFacts, LayerSummary, Package, PackageRecord
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome, Subject
from watcher.store.facts import LayerStore
from watcher.store.migrate import migrate
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts

BASES, BASE_PACKAGES, OWN_PACKAGES = 500, 250, 50
# Names of packages that are the images' own, and those of the distributions.
OWN_NAMES, BASE_NAMES = 2000, 400
# As in the images of a registry, most files are the base's.
BASE_FILES, OWN_FILES = 4000, 700
REPOSITORIES = 500
# Most are about packages that no image holds; an image then has some eighty vulnerabilities.
ADVISORIES, SPREAD = 20_000, 20
TOGETHER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """`registry` is where all its images are."""

    registry: Host
    images: int

    @property
    def bases(self) -> int:
        return max(1, min(BASES, self.images // 2))

    def inventory(self, number: int) -> Inventory:
        base, draw = number % self.bases, random.Random(number)
        own = [draw.randrange(OWN_NAMES * 3) for _ in range(OWN_PACKAGES)]
        layers = [_layer(f"base-{base}", BASE_FILES), _layer(f"own-{number}", OWN_FILES)]
        packages = [
            *(
                Package(record=_deb(base, place), path="var/lib/dpkg/status", layer=0, from_base=True)
                for place in range(BASE_PACKAGES)
            ),
            *(Package(record=_npm(each), path=f"app/node_modules/own{each}/package.json", layer=1) for each in own),
        ]
        return an_inventory(
            digest=_digest(f"image-{number}"),
            config_digest=_digest(f"config-{number}"),
            layers=tuple(layers),
            base=Base(known=True, reference=f"{self.registry}/base/debian", layer_count=1, how="layers"),
            distro=Distro(id="debian", version=str(11 + base % 2), name="Debian", known=True),
            packages=tuple(packages),
            files=FileTable(),
            secrets=(),
            sections={},
            facts_revision=_digest(f"facts-{number}"),
        )

    def judged(self, number: int, now: datetime) -> Judged:
        inventory = self.inventory(number)
        subject = Subject(
            registry=self.registry,
            repository=RepositoryName(f"team/app{number % REPOSITORIES}"),
            digest=inventory.digest,
            tags=(Tag(f"v{number}"),),
        )
        said = a_verdict(
            id=f"pushed-{number}",
            subject=subject,
            tag=Tag(f"v{number}"),
            outcome=Outcome.PASS,
            findings=(),
            evaluated_at=now,
            facts_revision=inventory.facts_revision,
        )
        return Judged(verdict=said, inventory=replace(inventory, sections=dict(said.sections)))

    def layers(self) -> Iterator[LayerFacts]:
        for base in range(self.bases):
            yield _facts(f"base-{base}", "usr/lib", BASE_FILES)
        for number in range(self.images):
            yield _facts(f"own-{number}", "app/node_modules", OWN_FILES)


def _layer(name: str, files: int) -> LayerSummary:
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    return LayerSummary(digest=_digest(name), media_type=media_type, compressed_bytes=10_000_000, files=files)


def _digest(name: str) -> Digest:
    return Digest(f"sha256:{sha256(name.encode()).hexdigest()}")


def _deb(base: int, place: int) -> PackageRecord:
    """Of each name a few versions are about, as bases are of different ages."""
    name = f"deb{(base * 7 + place) % BASE_NAMES}"
    version = f"1.{base % 40}-1"
    return PackageRecord(
        type="deb", name=name, version=version, source=name, architecture="amd64", purl=f"pkg:deb/debian/{name}@{version}"
    )


def _npm(number: int) -> PackageRecord:
    name, version = f"own{number % OWN_NAMES}", f"2.{number // OWN_NAMES}.0"
    return PackageRecord(type="npm", name=name, version=version, source=name, purl=f"pkg:npm/{name}@{version}")


def _facts(name: str, folder: str, files: int) -> LayerFacts:
    paths = [f"{folder}/{sha256(f'{name}/{number // 12}'.encode()).hexdigest()[:10]}/file-{number}.so" for number in range(files)]
    # A few that rules have something to say of.
    modes = [0o4755 if number % 1500 == 1 else 0o644 for number in range(files)]
    table = FileTable(
        path=paths,
        kind=["f"] * files,
        mode=modes,
        uid=[0] * files,
        gid=[0] * files,
        size=[number % 50_000 for number in range(files)],
        link=[""] * files,
    )
    return LayerFacts(digest=_digest(name), compressed_bytes=10_000_000, plain_bytes=30_000_000, files=table, makers=("reader/1",))


def advisories(numbers: Sequence[int], *, fixed: int = 20) -> bytes:
    """Records of those numbers, a line each; of one number another `fixed` is another record."""
    return b"".join(json.dumps(_advisory(number, fixed)).encode() + b"\n" for number in numbers)


def _advisory(number: int, fixed: int) -> dict[str, Any]:
    if number % 2:
        place, name = "npm", f"own{number % (SPREAD * OWN_NAMES)}"
        fix = f"2.{fixed % 3}.0"
    else:
        place, name = f"Debian:{11 + number % 4 // 2}", f"deb{number % (SPREAD * BASE_NAMES)}"
        fix = f"1.{fixed}-1"
    affected = {
        "package": {"ecosystem": place, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fix}]}],
    }
    severity = ("LOW", "MODERATE", "HIGH", "CRITICAL")[number % 7 % 4]
    return {
        "id": f"GHSA-{number:012}",
        "modified": "2026-01-02T00:00:00Z",
        "summary": f"Vulnerability {number}",
        "affected": [affected],
        "database_specific": {"severity": severity},
    }


def import_advisories(folder: Path, numbers: Sequence[int], *, fixed: int = 20) -> None:
    source = folder / "advisories.jsonl"
    source.write_bytes(advisories(numbers, fixed=fixed))
    import_paths([source], folder / "advisories.db", now=utc_now(), as_of=utc_now())


async def _filled(folder: Path, fleet: Fleet) -> None:
    path = folder / "watcher.db"
    database = Database(path)
    database.own()
    migrate(path)
    await database.open()
    try:
        verdicts, layers = StoredVerdicts(database, utc_now), LayerStore(database)
        keeping: list[Any] = []
        for facts in fleet.layers():
            keeping.append(layers.keep_layer(facts))
            if len(keeping) >= TOGETHER:
                await asyncio.gather(*keeping)
                keeping = []
        await asyncio.gather(*keeping)
        for first in range(0, fleet.images, TOGETHER):
            numbers = range(first, min(first + TOGETHER, fleet.images))
            await verdicts.record([fleet.judged(number, utc_now()) for number in numbers], lambda _said, _earlier: ())
    finally:
        await database.close()


def fill(folder: Path, fleet: Fleet) -> None:
    """Everything that there is before anything is judged again: `watcher.db` and `advisories.db` in `folder`."""
    asyncio.run(_filled(folder, fleet))
    import_advisories(folder, range(min(ADVISORIES, 100 * fleet.images)))
