"""Packages of a whole image: what their databases list, joined with what other files say of them."""

from dataclasses import replace

from tests.doubles.cataloging import facts_of
from watcher.inspection.catalogers.copyright import CopyrightCataloger
from watcher.inspection.image.installed import packages_of
from watcher.inspection.image.merge import merge
from watcher.model.digest import digest_of
from watcher.model.inventory import FILE, SYMLINK, Distro, FileTable, LayerFacts, Note, Package, PackageDatabase, PackageRecord

STATUS = "var/lib/dpkg/status"
COPYRIGHT = "usr/share/doc/bash/copyright"
DEBIAN = Distro(id="debian", version="12", known=True)


def layer(
    *rows: str, packages: tuple[str, ...] = (), copyrights: dict[str, str] | None = None, whiteouts: tuple[str, ...] = ()
) -> LayerFacts:
    """`path`, or `path -> target`; `packages` are those of dpkg, and `copyrights` are read, both listed as files as well."""
    files = FileTable()
    for row in (*rows, *(copyrights or {}), *([STATUS] if packages else [])):
        path, _, target = row.partition(" -> ")
        files.path.append(path)
        files.kind.append(SYMLINK if target else FILE)
        files.link.append(target)
        for column in (files.mode, files.uid, files.gid, files.size):
            column.append(0)
    records = tuple(PackageRecord(type="deb", name=name, version="1") for name in packages)
    return LayerFacts(
        digest=digest_of(repr((rows, packages, copyrights)).encode()),
        compressed_bytes=0,
        plain_bytes=0,
        files=files,
        whiteouts=whiteouts,
        databases=(PackageDatabase(path=STATUS, type="deb", packages=records, system=True),) if packages else (),
        notes=tuple(note for path, text in (copyrights or {}).items() for note in notes_of(path, text)),
    )


def notes_of(path: str, text: str) -> list[Note]:
    return [each for each in facts_of(CopyrightCataloger(), path, text.encode()) if isinstance(each, Note)]


def licences(*layers: LayerFacts) -> dict[str, tuple[tuple[str, ...], str]]:
    found: tuple[Package, ...] = packages_of(merge(layers), DEBIAN, 0)
    return {each.record.name: (each.record.licenses, each.record.licensed_in) for each in found}


def test_licences_come_from_another_file_and_another_layer() -> None:
    """As expressions, with the file they were read in."""
    base = layer(packages=("bash", "dash"))
    upper = layer(copyrights={COPYRIGHT: "Format: x\nLicense: GPL-3+\nLicense: Expat\n"})
    assert licences(base, upper) == {"bash": (("GPL-3.0-or-later", "MIT"), COPYRIGHT), "dash": ((), "")}


def test_the_directory_of_a_package_may_be_a_link_to_that_of_another() -> None:
    """As Debian has it for packages of one source."""
    found = licences(
        layer("usr/share/doc/libbash -> bash", packages=("libbash",), copyrights={COPYRIGHT: "Format: x\nLicense: MIT\n"})
    )
    assert found == {"libbash": (("MIT",), COPYRIGHT)}


def test_a_file_that_is_gone_or_another_says_nothing() -> None:
    """Only what is left in the image."""
    base = layer(packages=("bash",), copyrights={COPYRIGHT: "Format: x\nLicense: MIT\n"})
    assert licences(base, layer(whiteouts=(COPYRIGHT,))) == {"bash": ((), "")}
    assert licences(base, layer(COPYRIGHT)) == {"bash": ((), "")}


def test_stated_licences_become_expressions() -> None:
    """Of every ecosystem; where they were read is where the package was."""
    record = PackageRecord(type="pypi", name="x", version="1", licenses=("MIT License", "Apache 2.0"))
    path = "x-1.dist-info/METADATA"
    facts = replace(layer(path), databases=(PackageDatabase(path=path, type="pypi", packages=(record,)),))
    (found,) = packages_of(merge([facts]), DEBIAN, 0)
    assert (found.record.licenses, found.record.licensed_in) == (("MIT", "Apache-2.0"), "")
