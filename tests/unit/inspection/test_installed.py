"""Packages of a whole image: what their databases list, joined with what other files say of them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.doubles.cataloging import facts_of
from watcher.inspection.catalogers.copyright import CopyrightCataloger
from watcher.inspection.catalogers.ebuild_licence import EbuildLicenceCataloger
from watcher.inspection.catalogers.licence import LicenceCataloger
from watcher.inspection.catalogers.protocol import AnyCataloger
from watcher.inspection.image.installed import packages_of, programs_of
from watcher.inspection.image.merge import merge
from watcher.model.digest import digest_of
from watcher.model.inventory import (
    FILE,
    SYMLINK,
    Distro,
    FileList,
    FileTable,
    LayerFacts,
    Note,
    Package,
    PackageDatabase,
    PackageRecord,
)

STATUS = "var/lib/dpkg/status"
COPYRIGHT = "usr/share/doc/bash/copyright"
DEBIAN = Distro(id="debian", version="12", known=True)


def layer(
    *rows: str,
    packages: tuple[str, ...] = (),
    copyrights: dict[str, str] | None = None,
    whiteouts: tuple[str, ...] = (),
    **facts: Any,
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
        **facts,
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


MIT_TEXT = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"
DIST_INFO = "lib/site-packages/x-1.dist-info"


def beside(
    path: str, *stated: str, texts: dict[str, str], kind: str = "pypi", cataloger: AnyCataloger | None = None
) -> tuple[tuple[str, ...], str]:
    """The licences of a package that its metadata at `path` state so, in an image that has these texts in another layer."""
    record = PackageRecord(type=kind, name="x", version="1", licenses=stated)
    base = replace(layer(path), databases=(PackageDatabase(path=path, type=kind, packages=(record,)),))
    reads = cataloger or LicenceCataloger()
    notes = tuple(note for name, text in texts.items() for note in facts_of(reads, name, text.encode()))
    (found,) = packages_of(merge([base, replace(layer(*texts), notes=notes)]), DEBIAN, 0)
    return found.record.licenses, found.record.licensed_in


@pytest.mark.parametrize(
    "stated", [(), ("BSD",), ("BSD License",), ("Dual License",), ("Copyright (c) 2020 Somebody",), ("BSD license (see LICENSE)",)]
)
def test_a_text_beside_the_metadata_says_what_they_do_not(stated: tuple[str, ...]) -> None:
    """Nor does a family of licences, or who holds the rights. All texts count; the first one is named."""
    licence, other = f"{DIST_INFO}/licenses/LICENSE", f"{DIST_INFO}/licenses/LICENSE.APACHE"
    texts = {other: "Apache License, Version 2.0", licence: MIT_TEXT}
    assert beside(f"{DIST_INFO}/METADATA", *stated, texts=texts) == (("MIT", "Apache-2.0"), licence)


@pytest.mark.parametrize("stated", ["BSD-3-Clause", "BSD 2-Clause License", "Proprietary", "GPL", "Apache Software License"])
def test_a_licence_with_a_name_is_kept(stated: str) -> None:
    """Whatever else is beside it."""
    found, where = beside(f"{DIST_INFO}/METADATA", stated, texts={f"{DIST_INFO}/LICENSE": MIT_TEXT})
    assert (found, where) != (("MIT",), f"{DIST_INFO}/LICENSE")
    assert where == ""


def test_a_copy_that_a_document_lists_has_its_text_beside_its_code() -> None:
    """As in pip, whose document says no licences."""
    text = "pip/_vendor/x/LICENSE"
    assert beside("pip/_vendor/bom.cdx.json", texts={text: MIT_TEXT, "pip/_vendor/y/LICENSE": MIT_TEXT}) == (("MIT",), text)


def test_npm_says_which_file_has_the_licence() -> None:
    """Of another file nothing is said."""
    path, texts = (
        "node_modules/x/package.json",
        {"node_modules/x/LICENSE.md": MIT_TEXT, "node_modules/y/LICENSE": "CC0 1.0 Universal"},
    )
    assert beside(path, kind="npm", texts=texts) == (("MIT",), "node_modules/x/LICENSE.md")
    assert beside(path, "SEE LICENSE IN ./LICENSE.md", kind="npm", texts=texts) == (("MIT",), "node_modules/x/LICENSE.md")
    assert beside(path, "SEE LICENSE IN EULA", kind="npm", texts=texts) == (("LicenseRef-SEE-LICENSE-IN-EULA",), "")
    assert beside(path, "UNLICENSED", kind="npm", texts=texts) == (("LicenseRef-UNLICENSED",), "")


def test_gentoo_has_the_licences_beside_its_list_of_files() -> None:
    """Those of another package are not its own."""
    path, licence = "var/db/pkg/app-shells/bash-5.2/CONTENTS", "var/db/pkg/app-shells/bash-5.2/LICENSE"
    texts = {licence: "GPL-3+", "var/db/pkg/app-shells/dash-1/LICENSE": "BSD"}
    found = beside(path, kind="ebuild", texts=texts, cataloger=EbuildLicenceCataloger())
    assert found == (("GPL-3.0-or-later",), licence)
    del texts[licence]
    assert beside(path, kind="ebuild", texts=texts, cataloger=EbuildLicenceCataloger()) == ((), "")


def listed(package: str, *files: str) -> FileList:
    return FileList(path=f"var/lib/dpkg/info/{package}.list", type="dpkg-list", package=package, files="\n".join(files))


def found_in(path: str, kind: str = "pypi", name: str = "x") -> PackageDatabase:
    return PackageDatabase(path=path, type=kind, packages=(PackageRecord(type=kind, name=name, version="1"),))


def owners(*layers: LayerFacts) -> dict[str, str]:
    return {each.path: each.owner for each in packages_of(merge(layers), DEBIAN, 0) if each.record.type != "deb"}


METADATA = "usr/lib/python3/dist-packages/yaml.dist-info/METADATA"
LISTS = (listed("python3-yaml", "usr/lib/python3", METADATA),)
ROWS = (METADATA, "var/lib/dpkg/info/python3-yaml.list")


def yaml_layer(**facts: Any) -> LayerFacts:
    made = layer(*ROWS, packages=("python3-yaml",), file_lists=LISTS, **facts)
    return replace(made, databases=(*made.databases, found_in(METADATA)))


def test_a_package_of_a_language_has_the_owner_of_its_file() -> None:
    """One that nobody lists has none."""
    own = replace(layer("srv/METADATA"), databases=(found_in("srv/METADATA"),))
    assert owners(yaml_layer(), own) == {METADATA: "deb/python3-yaml", "srv/METADATA": ""}


def test_a_file_that_another_layer_put_in_its_place_is_not_the_packages() -> None:
    """As pip does with what Debian installed; neither is one whose package or list is gone."""
    upper = replace(layer(METADATA), databases=(found_in(METADATA, name="newer"),))
    assert owners(yaml_layer(), upper) == {METADATA: ""}
    assert owners(yaml_layer(), layer(whiteouts=("var/lib/dpkg/info/python3-yaml.list",))) == {METADATA: ""}
    assert owners(yaml_layer(), layer(packages=("other",))) == {METADATA: ""}


def test_a_list_may_name_a_file_by_a_link_of_the_root() -> None:
    """Debian's packages of before the merge of /usr say `/bin`."""
    made = layer("bin -> usr/bin", "usr/bin/ls", *ROWS, packages=("coreutils",), programs=("usr/bin/ls",))
    lists = (replace(listed("coreutils", "bin/ls"), path=ROWS[1]),)
    assert programs_of(merge([made]), 0) != ()
    assert programs_of(merge([replace(made, file_lists=lists)]), 0) == ()


def test_programs_that_nobody_packaged_are_listed() -> None:
    """Not those of which something else is known, nor those that are gone; with the layer that brought each."""
    names = ("usr/bin/ls", "opt/tool", "opt/gone", "opt/known")
    base = layer(
        *names,
        *ROWS,
        packages=("coreutils",),
        programs=names,
        file_lists=(replace(listed("coreutils", "usr/bin/ls"), path=ROWS[1]),),
    )
    base = replace(base, databases=(*base.databases, found_in("opt/known", "native")))
    merged = merge([base, layer("srv/app", programs=("srv/app",), whiteouts=("opt/gone",))])
    found = [(each.path, each.layer, each.from_base) for each in programs_of(merged, 1)]
    assert found == [("opt/tool", 0, True), ("srv/app", 1, False)]


def test_a_known_program_of_a_package_is_that_package() -> None:
    """What a text in it says is no second package beside it; a program that nobody packaged is one."""
    path = "usr/bin/redis-server"
    made = layer(path, ROWS[1], packages=("valkey",), file_lists=(replace(listed("valkey", path), path=ROWS[1]),))
    program = replace(found_in(path, "generic", "redis"), type="native")
    known = replace(made, databases=(*made.databases, program))
    assert owners(known) == {}
    assert owners(replace(known, file_lists=())) == {path: ""}


def test_a_program_beside_that_of_a_package_is_one_of_its_own() -> None:
    """Where the database lists the package's files, the name and the version of another file make it nobody's."""
    path = "opt/bash"
    made = layer(path, ROWS[1], packages=("bash",), file_lists=(replace(listed("bash", "bin/bash"), path=ROWS[1]),))
    program = replace(found_in(path, "generic", "bash"), type="native")
    known = replace(made, databases=(*made.databases, program))
    assert owners(known) == {path: ""}
    assert owners(replace(known, file_lists=())) == {}
