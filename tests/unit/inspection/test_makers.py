"""Facts know who made them, and are made again only where a maker of theirs has changed."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doubles.image_sources import LIMITS, MemoryImages, layer_tar
from tools.makers import GOLDEN, PROJECT, ROOM, Makings, forgotten, makings, modules
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.catalogers.catalog import CATALOGERS, NOTED
from watcher.inspection.catalogers.dpkg import DpkgCataloger
from watcher.inspection.catalogers.npm import NpmCataloger
from watcher.inspection.catalogers.protocol import AnyCataloger, Selection
from watcher.inspection.layer_queue import LayerQueue
from watcher.inspection.layers import LayerInspection
from watcher.inspection.makers import Makers
from watcher.inspection.problems import PACKAGES
from watcher.inspection.workers.zygote import Zygote
from watcher.model.digest import digest_of
from watcher.model.inventory import FILE, HARDLINK, SYMLINK, FileTable, LayerFacts, PackageDatabase, Problem

pytestmark = pytest.mark.untraced

STATUS = b"Package: curl\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n"
MODULE = "app/node_modules/left-pad/package.json"
LAYERS = {
    "system": {"var/lib/dpkg/status": STATUS, "etc/passwd": b"root:x:0:0::/root:/bin/sh\n"},
    "damaged": {"var/lib/dpkg/status": b"no database\n"},
    "modules": {MODULE: b'{"name": "left-pad", "version": "1.3.0"}'},
    "plain": {"app/status.txt": b"ready\n"},
}


class NewerDpkg(DpkgCataloger):
    version = DpkgCataloger.version + 1


class WiderNpm(NpmCataloger):
    """Wants what it did not want before."""

    version = 3
    selection = Selection(names=frozenset({b"package.json", b"status.txt"}))

    def wants(self, path: str, size: int) -> bool:
        return path.endswith("status.txt") or super().wants(path, size)


class Executables(NpmCataloger):
    """Selects by how files begin."""

    type = "executables"
    selection = Selection(heads=frozenset({b"#!"}))


def exchanged(newer: AnyCataloger) -> Makers:
    return Makers(tuple(newer if each.type == newer.type else each for each in CATALOGERS.values()))


def facts_of(*paths: str, kind: str = FILE, size: int = 9, makers: Makers | None = None, **facts: object) -> LayerFacts:
    count = len(paths)
    table = FileTable(path=[*paths], kind=[kind] * count, size=[size] * count)
    made = (makers or Makers()).names
    return LayerFacts(digest=digest_of(b""), compressed_bytes=1, plain_bytes=1, files=table, makers=made, **facts)  # type: ignore[arg-type]


@dataclass
class Reading:
    """One store of facts, read with the makers of one release after another."""

    zygote: Zygote
    images: MemoryImages
    cache: MemoryLayerCache

    async def read_again(self, makers: Makers) -> set[str]:
        """The layers that had to be read."""
        layers = LayerInspection(zygote=self.zygote, cache=self.cache, queue=LayerQueue(2), counted=lambda _: None, makers=makers)
        read = set()
        for name, files in LAYERS.items():
            layer = self.images.add_layer(layer_tar(files))
            known = await layers.facts(self.images, layer, LIMITS, lambda _: 30.0)
            if not known.cached:
                read.add(name)
        return read


async def test_a_changed_cataloger_reads_only_layers_that_hold_its_files() -> None:
    """What it says nothing of stands as it is; what was read again stands from then on."""
    async with Zygote(b"salt") as zygote:
        reading = Reading(zygote, MemoryImages(), MemoryLayerCache())
        assert await reading.read_again(Makers()) == {*LAYERS}
        assert await reading.read_again(Makers()) == set()
        assert await reading.read_again(exchanged(NewerDpkg())) == {"system", "damaged"}
        assert await reading.read_again(exchanged(NewerDpkg())) == set()
        assert await reading.read_again(exchanged(WiderNpm())) >= {"modules", "plain"}


def test_facts_name_all_their_makers() -> None:
    """The reader, the search for secrets, and every cataloger, each with its version."""
    names = Makers().names
    assert {name.partition("/")[0] for name in names} == {"reader", "secrets", *(each.type for each in CATALOGERS.values())}
    assert list(names) == sorted(set(names))
    assert f"deb/{NewerDpkg.version}" in exchanged(NewerDpkg()).names


def test_a_new_cataloger_concerns_layers_that_hold_what_it_wants() -> None:
    """Nobody reads the whole fleet again to learn that it has no file of a new kind."""
    before = Makers(tuple(each for each in CATALOGERS.values() if each.type != "npm"))
    assert Makers().stand_by(facts_of("usr/bin/env", "srv/package-lock.json", makers=before))
    assert not Makers().stand_by(facts_of("usr/bin/env", MODULE, makers=before))
    assert not Makers().stand_by(facts_of(MODULE, kind=HARDLINK, makers=before))
    assert Makers().stand_by(facts_of(MODULE, kind=SYMLINK, makers=before))


def test_how_files_begin_is_not_known_of_a_layer_that_was_read() -> None:
    """A cataloger that selects by the first bytes may want any file that has some."""
    executables = Makers((*CATALOGERS.values(), Executables()))
    assert not executables.stand_by(facts_of("srv/notes", makers=Makers()))
    assert executables.stand_by(facts_of("srv/notes", size=0, makers=Makers()))
    assert executables.stand_by(facts_of("srv/notes", kind=SYMLINK, makers=Makers()))


def test_a_file_that_is_too_large_for_a_cataloger_concerns_it() -> None:
    """The layer says that it was not read; with a larger budget it could be."""
    assert not exchanged(NewerDpkg()).stand_by(facts_of("var/lib/dpkg/status", size=1 << 40))


def test_a_cataloger_that_is_gone_takes_its_packages_along() -> None:
    """They would not be found again."""
    without = Makers(tuple(each for each in CATALOGERS.values() if each.type != "npm"))
    database = PackageDatabase(path="x", type="npm", packages=())
    assert not without.stand_by(facts_of(databases=(database,)))
    assert without.stand_by(facts_of(MODULE))


@pytest.mark.parametrize("maker", ["reader", "secrets"])
def test_a_changed_reader_concerns_every_layer(maker: str) -> None:
    """It has seen every byte of them."""
    facts = facts_of()
    earlier = tuple(name if name.partition("/")[0] != maker else f"{maker}/0" for name in facts.makers)
    assert Makers().stand_by(facts)
    assert not Makers().stand_by(
        LayerFacts(digest=facts.digest, compressed_bytes=1, plain_bytes=1, files=facts.files, makers=earlier)
    )


def test_a_database_that_could_not_be_read_may_concern_any_cataloger() -> None:
    """A problem does not say whose it is."""
    problem = Problem(reason="damaged-database", detail="d", sections=PACKAGES)
    assert not exchanged(NewerDpkg()).stand_by(facts_of(problems=(problem,)))


# Versions are held to the code


def test_no_maker_changed_without_its_version() -> None:
    """Whoever changes what makes facts says whether they differ: stale ones would be believed for as long as the layer lives."""
    golden, now = json.loads(GOLDEN.read_text()), makings()
    assert forgotten(golden, now) == []
    assert golden == now, "a maker has another version: python tools/makers.py"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the room, to be changed."""
    shutil.copytree(PROJECT / ROOM, tmp_path / ROOM, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def makers_that_differ(now: Makings) -> set[str]:
    before = makings()
    return {maker for maker in before if before[maker] != now[maker]}


@pytest.mark.parametrize(
    ("path", "old", "new", "makers"),
    [
        ("catalogers/dpkg.py", 'b"maintainer"', 'b"origin"', {"deb"}),
        ("catalogers/purl.py", 'safe=":"', 'safe=""', set(CATALOGERS) - NOTED),
        ("catalogers/texts.py", '"etc/passwd",', '"etc/passwd", "etc/shadow",', {"reader"}),
        ("confined/tar_fields.py", "return", "return None or", {"reader"}),
        ("secrets/rules.yaml", "min_entropy: 2.8", "min_entropy: 2.9", {"secrets"}),
        ("secrets/values.py", "return", "return None or", {"secrets"}),
    ],
)
def test_a_change_is_its_makers(changed: Path, path: str, old: str, new: str, makers: set[str]) -> None:
    """Code, rules, and what several makers share: each changes those it is part of, and the message names them."""
    file = changed / ROOM / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    now = makings(changed)
    assert makers_that_differ(now) == makers
    sentences = forgotten(makings(), now)
    assert {sentence.partition(":")[0] for sentence in sentences} == makers
    assert all("raise the version" in sentence and path in sentence for sentence in sentences)
    raised = {maker: making | {"version": making["version"] + 1} for maker, making in now.items()}
    assert forgotten(makings(), raised) == []


def test_what_only_people_read_changes_no_maker(changed: Path) -> None:
    """Comments, docstrings and line breaks, in code and in rules, leave the facts of a fleet alone."""
    for path in {path for maker in makings() for path in modules(PROJECT, maker)}:
        file = changed / path
        text = file.read_text()
        if path.suffix == ".py":
            text = text.replace('"""', '"""Now. ', 1).replace("\n\n", "\n\n\n# Why.\n", 3)
        file.write_text("# Another.\n" + text if path.suffix == ".yaml" else text)
    assert makers_that_differ(makings(changed)) == set()
