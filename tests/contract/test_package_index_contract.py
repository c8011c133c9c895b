"""What is true of every index from packages to the images that hold them, whatever keeps it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.inventories import an_inventory
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.inventory import Distro, Package, PackageRecord
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Outcome, Subject
from watcher.store.holders import StoredPackageIndex
from watcher.store.protocol import HeldPackage, Holder, Judged, PackageIndex, PackageName, PackageQuery, VerdictStore
from watcher.store.verdicts import StoredVerdicts

DEBIAN = Distro(id="debian", version="12", known=True)
LIBSSL = PackageRecord(
    type="deb", name="libssl3", version="3.0.1", source="openssl", purl="pkg:deb/debian/libssl3@3.0.1?arch=amd64&distro=debian-12"
)
YAML = PackageRecord(type="pypi", name="PyYAML", version="6.0", source="pyyaml", purl="pkg:pypi/pyyaml@6.0")


def a_digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064}")


def npm(name: str, version: str = "1.0.0") -> PackageRecord:
    return PackageRecord(type="npm", name=name, version=version, source=name, purl=f"pkg:npm/{name}@{version}")


@dataclass(kw_only=True)
class Bench:
    """Images are told by numbers, in the order of their digests."""

    index: PackageIndex
    verdicts: VerdictStore
    recorded: int = 0

    async def record(
        self, number: int, *packages: PackageRecord | Package, distro: Distro = DEBIAN, subject: Subject = SUBJECT, **said: object
    ) -> None:
        self.recorded += 1
        placed = [each if isinstance(each, Package) else Package(record=each, path="p", layer=1) for each in packages]
        inventory = an_inventory(digest=a_digest(number), packages=tuple(placed), distro=distro)
        verdict = a_verdict(id=f"v-{self.recorded}", subject=replace(subject, digest=a_digest(number)), **said)
        await self.verdicts.record([Judged(verdict=verdict, inventory=inventory)], nobody)

    async def holding(self, *, name: str = "", purl: str = "", after: int | None = None, limit: int = 100) -> Sequence[int]:
        digest = None if after is None else a_digest(after)
        found = await self.index.holding(PackageQuery(name=name, purl=purl), after=digest, limit=limit)
        return [int(each.row.digest.removeprefix("sha256:")) for each in found]

    async def holders(self, *names: PackageName) -> Sequence[int]:
        return sorted(int(each.digest.removeprefix("sha256:")) for each in await self.index.holders(names))


@pytest.fixture(params=["sqlite"])
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_database(tmp_path / "watcher.db") as database:
        yield Bench(index=StoredPackageIndex(database), verdicts=StoredVerdicts(database, lambda: MOMENT))


async def test_images_are_found_by_the_name_of_a_package(bench: Bench) -> None:
    """By its own and by the one that advisories know it by; what only begins alike is another."""
    await bench.record(1, LIBSSL)
    await bench.record(2, YAML, LIBSSL)
    await bench.record(3, npm("openssl-wrapper"))
    assert await bench.holding(name="libssl3") == [1, 2]
    assert await bench.holding(name="openssl") == [1, 2]
    assert await bench.holding(name="PyYAML") == await bench.holding(name="pyyaml") == [2]
    assert await bench.holding(name="open") == []


async def test_images_are_found_by_purl(bench: Bench) -> None:
    """Without qualifiers it is of any architecture, without a version of any; it is never the beginning of another name."""
    await bench.record(1, LIBSSL)
    await bench.record(2, npm("yaml"))
    await bench.record(3, npm("yaml", "1.0.0-rc"), npm("yaml", "2.0.0"))
    await bench.record(4, npm("yaml-x"), npm("yaml/x"), npm("yamla"), npm("yamlA"))
    assert await bench.holding(purl=LIBSSL.purl) == [1]
    assert await bench.holding(purl="pkg:deb/debian/libssl3@3.0.1") == [1]
    assert await bench.holding(purl="pkg:deb/debian/libssl3@3.0") == []
    assert await bench.holding(purl="pkg:deb/debian/libssl3") == [1]
    assert await bench.holding(purl="pkg:npm/yaml") == [2, 3]
    assert await bench.holding(purl="pkg:npm/yaml@1.0.0") == [2]


async def test_an_answer_says_what_an_image_holds(bench: Bench) -> None:
    """The packages that were asked for and no others, once each, with the layer that brought them."""
    twice = [Package(record=npm("a"), path=path, layer=1) for path in ("x/package.json", "y/package.json")]
    base = Package(record=npm("a", "0.9.0"), path="package.json", layer=0, from_base=True)
    await bench.record(1, base, *twice, npm("b"))
    (found,) = await bench.index.holding(PackageQuery(name="a"))
    assert [(each.purl, each.layer, each.from_base) for each in found.packages] == [
        ("pkg:npm/a@0.9.0", 0, True),
        ("pkg:npm/a@1.0.0", 1, False),
    ]
    assert found.packages[0] == HeldPackage(
        id=found.packages[0].id,
        type="npm",
        name="a",
        version="0.9.0",
        source="a",
        purl="pkg:npm/a@0.9.0",
        layer=0,
        from_base=True,
    )
    assert found.distro == "debian:12"
    assert (found.row.registry, found.row.tags, found.row.outcome) == (SUBJECT.registry, ("v1",), Outcome.FAIL)


async def test_a_list_goes_on_where_its_page_ended(bench: Bench) -> None:
    """In order of digest. An image that was seen at two places is one of the page, and is there twice."""
    for number in (3, 1, 2):
        await bench.record(number, npm("a"))
    await bench.record(1, npm("a"), subject=replace(SUBJECT, repository=RepositoryName("team/copy")))
    assert await bench.holding(name="a", limit=2) == [1, 1, 2]
    assert await bench.holding(name="a", after=2) == [3]
    assert await bench.holding(name="a", after=3) == []


async def test_an_image_holds_what_its_last_inspection_found(bench: Bench) -> None:
    """A package that a later inspection did not find is not in the image."""
    await bench.record(1, npm("a"), npm("b"))
    await bench.record(1, npm("b"))
    assert await bench.holding(name="a") == []
    assert await bench.holders(PackageName(type="npm", name="a")) == []
    assert await bench.holders(PackageName(type="npm", name="b")) == [1]


async def test_holders_are_found_by_what_advisories_name(bench: Bench) -> None:
    """The source package of Debian, the normalised name of PyPI; of rpm and npm what is installed as well. The type counts."""
    await bench.record(1, LIBSSL, YAML)
    await bench.record(2, PackageRecord(type="rpm", name="openssl-libs", version="3", source="openssl"))
    await bench.record(3, npm("openssl"))
    assert await bench.holders(PackageName(type="deb", name="openssl")) == [1]
    assert await bench.holders(PackageName(type="deb", name="libssl3")) == []
    assert await bench.holders(PackageName(type="pypi", name="pyyaml")) == [1]
    assert await bench.holders(PackageName(type="rpm", name="openssl")) == [2]
    assert await bench.holders(PackageName(type="rpm", name="openssl-libs"), PackageName(type="npm", name="openssl")) == [2, 3]
    assert await bench.holders() == []


async def test_holders_can_be_those_of_one_release(bench: Bench) -> None:
    """A release without its last number stands for all of it, and a distribution without any for every release."""
    versions = ("12", "12.5", "120", "", "%")
    for number, version in enumerate(versions):
        await bench.record(number, LIBSSL, distro=replace(DEBIAN, version=version))
    await bench.record(8, LIBSSL, distro=Distro())
    await bench.record(9, LIBSSL, distro=Distro(id="debian-like", version="12", known=True))

    async def holders(distro: str) -> Sequence[int]:
        return await bench.holders(PackageName(type="deb", name="openssl", distro=distro))

    assert await holders("debian:12") == [0, 1]
    assert await holders("debian:12.5") == [1]
    assert await holders("debian") == [0, 1, 2, 3, 4]
    assert await holders("debian:%") == [4]
    assert await holders("") == [0, 1, 2, 3, 4, 8, 9]


async def test_versions_that_images_hold_are_listed(bench: Bench) -> None:
    """With all that was recorded of each, once for every distribution; what no image holds any more is none of them."""
    newer = replace(LIBSSL, version="3.0.2")
    await bench.record(1, LIBSSL, YAML)
    await bench.record(2, LIBSSL, newer)
    await bench.record(3, LIBSSL, distro=replace(DEBIAN, version="11"))
    await bench.record(4, replace(LIBSSL, version="1"))
    await bench.record(4)
    openssl = PackageName(type="deb", name="openssl")
    found = [(each.record, each.distro) for each in await bench.index.installed([openssl, PackageName(type="npm", name="openssl")])]
    assert len(found) == 3
    assert set(found) == {(LIBSSL, "debian:12"), (newer, "debian:12"), (LIBSSL, "debian:11")}
    narrow = await bench.index.installed([replace(openssl, distro="debian:11")])
    assert [(each.record, each.distro) for each in narrow] == [(LIBSSL, "debian:11")]


async def test_images_are_found_by_what_is_installed_in_them(bench: Bench) -> None:
    """One version in one distribution: the same package in another one's images is another matter."""
    old = replace(DEBIAN, version="11")
    await bench.record(3, LIBSSL)
    await bench.record(1, LIBSSL, YAML)
    await bench.record(2, LIBSSL, YAML, distro=old)
    await bench.record(4, LIBSSL, distro=old)
    names = [PackageName(type="deb", name="openssl"), PackageName(type="pypi", name="pyyaml")]
    held = {(each.record.name, each.distro): each for each in await bench.index.installed(names)}

    async def holding(*wanted: tuple[str, str], **paging: Any) -> list[tuple[int, list[str]]]:
        found = await bench.index.holding_any([held[each] for each in wanted], **paging)
        return [(int(each.row.digest.removeprefix("sha256:")), [package.name for package in each.packages]) for each in found]

    both = (("libssl3", "debian:12"), ("PyYAML", "debian:11"))
    assert await holding(*both) == [(1, ["libssl3"]), (2, ["PyYAML"]), (3, ["libssl3"])]
    assert await holding(*both, limit=2) == [(1, ["libssl3"]), (2, ["PyYAML"])]
    assert await holding(*both, after=a_digest(2)) == [(3, ["libssl3"])]
    assert await holding() == []


async def test_every_subject_is_a_holder_once(bench: Bench) -> None:
    """However many packages it holds and however often it was judged; with every index that it was judged as part of."""
    staging = replace(SUBJECT, environment=None)
    names = [PackageName(type="npm", name=f"n{number}") for number in range(1200)]
    packages = [npm(each.name) for each in names]
    for index in (a_digest(7), a_digest(8), None):
        await bench.record(1, *packages, index_digest=index)
    await bench.record(1, *packages, subject=staging)
    found = await bench.index.holders([*names, PackageName(type="npm", name="n1", distro="debian:12")])
    place = {"registry": SUBJECT.registry, "repository": SUBJECT.repository, "digest": a_digest(1)}
    assert set(found) == {
        Holder(**place, environment="production", indexes=frozenset({a_digest(7), a_digest(8)})),  # type: ignore[arg-type]
        Holder(**place, environment=None),  # type: ignore[arg-type]
    }
    assert len(found) == 2
