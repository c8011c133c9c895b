"""What a program for Windows is called, by what its makers say of it. The rules are those of syft."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from watcher.inspection.catalogers.stanzas import MAX_TEXT, bounded

# The first that says anything; Microsoft's products are of a thousand files.
_NAMES = ("ProductName", "FileDescription", "InternalName", "OriginalFilename")
_NAMES_OF_MICROSOFT = ("FileDescription", "InternalName", "OriginalFilename", "ProductName")

# `System.Text.Json (net8.0)`
_FOR = re.compile(r"\s*\(net[^)]*[0-9]\)$", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f]")
_PUNCTUATION = re.compile(r"[.,]+")

_PARTS = r"[0-9A-Za-z\-~]+(?:\.[0-9A-Za-z\-~]+)*"
_SEMANTIC = re.compile(
    rf"v?(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?:-(?P<tag>[0-9]{_PARTS}|[0-9])|-?(?P<word>[A-Za-z\-~](?:{_PARTS})?))?(?:\+{_PARTS})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`is_named` is false where only the file's name says what it is."""

    name: str
    version: str
    is_named: bool
    is_microsoft: bool


def identity(texts: Mapping[str, str], path: str) -> Identity | None:
    """None of what says no version."""
    microsoft = any("microsoft" in texts.get(each, "").lower() for each in ("CompanyName", "ProductName"))
    order = _NAMES_OF_MICROSOFT if microsoft else _NAMES
    said = next(filter(None, (_plain(texts.get(each, "")) for each in order)), "")
    name = _FOR.sub("", said) or _plain(path.rpartition("/")[2].rpartition(".")[0])
    version = _version(_first_words(texts.get("ProductVersion", "")), _first_words(texts.get("FileVersion", "")), microsoft)
    if not name or not _has_digit(version):
        return None
    return Identity(name=name, version=version, is_named=bool(said), is_microsoft=microsoft)


def _version(product: str, file: str, microsoft: bool) -> str:
    ours, theirs = _semantic(product), _semantic(file)
    if microsoft and ours and theirs and ours[0][:2] == theirs[0][:2] and len(ours[0]) < len(theirs[0]):
        return product.partition("+")[0]  # the file's is when it was built
    if ours and theirs and not (_reaches(ours, theirs) and _reaches(theirs, ours)):
        return product if _reaches(ours, theirs) else file
    if ours and not theirs:
        return product
    if _has_digit(product) and len(_PUNCTUATION.findall(product)) >= len(_PUNCTUATION.findall(file)):
        return product
    if _has_digit(file) and _PUNCTUATION.search(file):
        return file
    return product if _has_digit(product) else file


_Semantic = tuple[tuple[int, ...], tuple[tuple[bool, int, str], ...]]


def _semantic(version: str) -> _Semantic | None:
    """Numbers, three at least, and the parts of what stands behind a dash."""
    found = _SEMANTIC.fullmatch(version)
    if found is None:
        return None
    numbers = [int(each) for each in found["numbers"].split(".")]
    tag = found["tag"] or found["word"] or ""
    parts = tuple((not each.isdigit(), int(each) if each.isdigit() else 0, each) for each in tag.split(".")) if tag else ()
    return (*numbers, *(0 for _ in range(3 - len(numbers)))), parts


def _reaches(one: _Semantic, other: _Semantic) -> bool:
    """Whether `one` is as late as the other; what has nothing behind a dash is later than what has."""
    length = max(len(one[0]), len(other[0]))
    numbers, others = (each[0] + (0,) * (length - len(each[0])) for each in (one, other))
    return (numbers, not one[1], one[1]) >= (others, not other[1], other[1])


def _first_words(version: str) -> str:
    """`8.0.724.31311` of `8.0.724.31311 @Commit: 0123`."""
    found = ""
    for word in version[: 4 * MAX_TEXT].split():
        if _has_digit(found) and not _has_digit(word):
            break
        found = f"{found} {word}".strip()
    return _plain(found)


def _plain(text: str) -> str:
    return bounded(" ".join(_CONTROLS.sub("", text[: 4 * MAX_TEXT].replace("\t", " ")).split()).encode("utf-8", "replace"))


def _has_digit(text: str) -> bool:
    return any(each in "0123456789" for each in text)
