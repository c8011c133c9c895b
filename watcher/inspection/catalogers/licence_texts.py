"""Which licences a text is of, by words that no copy of it changes. Pure.

Spec: SPDX License List 3; its names, without a claim where the words could be of another one.
"""

import re
from collections.abc import Iterator

# In lower case without marks of emphasis, headings and quotation, and one kind of quotation mark.
_PLAIN = bytes.maketrans(b'ABCDEFGHIJKLMNOPQRSTUVWXYZ`"', b"abcdefghijklmnopqrstuvwxyz''")
_MARKS = b"*_#>"

_TOLD_BY: tuple[tuple[bytes, str], ...] = (
    (b"permission is hereby granted, free of charge, to any person obtaining a copy of this", "MIT"),
    (b"distribute this software for any purpose with or without fee", "ISC"),
    (b"this software is provided 'as-is', without any express or implied warranty", "Zlib"),
    (b"this is free and unencumbered software released into the public domain", "Unlicense"),
    (b"university of illinois/ncsa open source license", "NCSA"),
    (b"do what the fuck you want to public license", "WTFPL"),
)
# Those with a version in their name are looked for where one is: most of the texts that packages bring have none.
_VERSIONS = (b" v", b".0 ")
_TOLD_BY_TITLE: tuple[tuple[bytes, str], ...] = (
    (b"apache license, version 2.0", "Apache-2.0"),
    (b"apache license version 2.0, january 2004", "Apache-2.0"),
    (b"mozilla public license version 2.0", "MPL-2.0"),
    (b"mozilla public license, version 2.0", "MPL-2.0"),
    (b"mozilla public license, v. 2.0", "MPL-2.0"),
    (b"eclipse public license - v 1.0", "EPL-1.0"),
    (b"eclipse public license - v 2.0", "EPL-2.0"),
    (b"cc0 1.0 universal", "CC0-1.0"),
    (b"boost software license - version 1.0", "BSL-1.0"),
    (b"python software foundation license version 2", "PSF-2.0"),
    (b"zope public license (zpl) version 2.1", "ZPL-2.1"),
    (b"blue oak model license version 1.0.0", "BlueOak-1.0.0"),
    (b"sil open font license version 1.1", "OFL-1.1"),
    (b"creative commons attribution 4.0 international public license", "CC-BY-4.0"),
    (b"creative commons attribution-sharealike 4.0 international public license", "CC-BY-SA-4.0"),
)
# What makes another licence of one that has the same words.
_RATHER: tuple[tuple[bytes, str, str], ...] = (
    (b"the software shall be used for good, not evil", "MIT", "JSON"),
    (b"furnished to do so. the software is provided", "MIT", "MIT-0"),
    (b"university of illinois/ncsa open source license", "MIT", "NCSA"),
    (b"with or without fee is hereby granted. the software is provided", "ISC", "0BSD"),
)

_BSD = b"in source and binary forms"
_NO_ENDORSEMENT = (b"endorse or promote products", b"endorse nor promote products")
_ADVERTISING = b"all advertising materials mentioning features"
# Apache 1.1, PHP and their kin say the same and more.
_NOT_BSD = b"end-user documentation included with the redistribution"

# The title of the text itself, and what a program says that is under it.
_GNU = b"general public license"
_TITLE = re.compile(
    rb"gnu (?:(lesser|library|affero) )?general public license,? version (\d(?:\.\d)?), (?:\d\d? )?(?:february|june|november) \d{4}"
)
_NOTICE = re.compile(
    rb"gnu (?:(lesser|library|affero) )?general public license,? (?:as published by the free software foundation[,;:] )?"
    rb"(?:either )?version (\d(?:\.\d)?)(?: of the license)?,? or \(at your option\) any later version"
)
# What comes along with a compiler's library, and binds nobody who was compiled with it.
_GCC_EXCEPTION = b"gcc runtime library exception"
_FAMILIES = {b"": "GPL", b"lesser": "LGPL", b"library": "LGPL", b"affero": "AGPL"}


def licences_of(text: bytes) -> tuple[str, ...]:
    """SPDX expressions of the licences that the text has the words of, each once; none of a text that nobody knows."""
    words = b" ".join(text.translate(_PLAIN, _MARKS).replace(b"''", b"'").split())
    found = dict.fromkeys(name for told, name in _TOLD_BY if told in words)
    if any(each in words for each in _VERSIONS):
        found |= dict.fromkeys(name for told, name in _TOLD_BY_TITLE if told in words)
    for told, name, rather in _RATHER:
        if name in found and told in words:
            found = dict.fromkeys(rather if each == name else each for each in found)
    if _BSD in words and _NOT_BSD not in words:
        clauses = 4 if _ADVERTISING in words else 3 if any(each in words for each in _NO_ENDORSEMENT) else 2
        found[f"BSD-{clauses}-Clause"] = None
    if _GNU in words:
        found |= dict.fromkeys(_gnu(words))
    return tuple(found)


def _gnu(words: bytes) -> Iterator[str]:
    """Of the version that a text is of only that, unless somebody says that later ones are as good."""
    later = {_version(each) for each in _NOTICE.finditer(words)}
    for version in sorted(later):
        exempt = version == "GPL-3.0" and _GCC_EXCEPTION in words
        yield f"{version}-or-later WITH GCC-exception-3.1" if exempt else f"{version}-or-later"
    for each in _TITLE.finditer(words):
        if (version := _version(each)) not in later:
            yield f"{version}-only"


def _version(found: re.Match[bytes]) -> str:
    number = found[2].decode()
    return f"{_FAMILIES[found[1] or b'']}-{number if '.' in number else number + '.0'}"
