"""Copyright files of Debian packages."""

import pytest

from watcher.inspection.catalogers.copyright import CopyrightCataloger
from watcher.model.inventory import Note

cataloger = CopyrightCataloger()
PATH = "usr/share/doc/bash/copyright"


def licences(text: str) -> tuple[str, ...]:
    facts = cataloger.read(PATH, text.encode())
    assert all(isinstance(each, Note) and (each.path, each.type) == (PATH, "copyright") for each in facts)
    return facts[0].licenses if facts and isinstance(facts[0], Note) else ()


def test_a_machine_readable_file_says_short_names() -> None:
    """Each once, in its order; what the texts of the licences say is not looked at."""
    text = (
        "# a comment\n"
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\n"
        "Files: *\nCopyright: 1990 a\nLicense: GPL-2+\n\nFiles: lib/*\nlicense:  Expat\n"
        " Permission is hereby granted, free of charge\n\n"
        "License: GPL-2+\n See /usr/share/common-licenses/GPL-2\n"
    )
    assert licences(text) == ("GPL-2+", "Expat")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("under the GPL, see `/usr/share/common-licenses/GPL-2'.", ("GPL-2",)),
        ("version 2, or (at your option) any later\nversion: /usr/share/common-licenses/GPL-2.", ("GPL-2+",)),
        ("/usr/share/common-licenses/Apache-2.0 and any later version", ("Apache-2.0",)),
        ("Permission is hereby granted,\n  free of charge, to any person obtaining a copy\n of this software", ("MIT",)),
        ("Redistribution and use in source and binary forms, with or without", ("BSD-2-Clause",)),
        ("Redistribution and use in source and binary forms. may be used to endorse or promote products", ("BSD-3-Clause",)),
        ("This software is provided 'as-is', without any express or implied warranty.", ("Zlib",)),
        ("This file is in the public\ndomain.", ("public-domain",)),
        ("CC0 1.0 Universal: dedicated to the public domain", ("CC0-1.0",)),
        ("All rights reserved.", ()),
        ("", ()),
    ],
)
def test_a_text_is_recognised_by_its_own_words(text: str, found: tuple[str, ...]) -> None:
    """Or by the common licence it refers to. One that says neither says nothing."""
    assert licences(text) == found


def test_only_the_copyright_of_a_package_is_read() -> None:
    """Any other file of that name is of nobody."""
    assert cataloger.wants(PATH, 5)
    assert not cataloger.wants("usr/share/doc/bash/examples/copyright", 5)
    assert not cataloger.wants("srv/usr/share/doc/bash/copyright", 5)
    assert not cataloger.wants(PATH, 1 << 30)


def test_licences_are_bounded() -> None:
    """In number and in length."""
    text = "Format: x\n" + "".join(f"License: {number}{'x' * 999}\n" for number in range(99))
    found = licences(text)
    assert (len(found), max(map(len, found))) == (32, 256)
