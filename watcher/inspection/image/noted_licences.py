"""The licences of packages that say none themselves: Debian's copyright files, and files beside the metadata of others. Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from watcher.inspection.catalogers.copyright import CopyrightCataloger, copyright_path
from watcher.inspection.catalogers.ebuild import EbuildCataloger
from watcher.inspection.catalogers.ebuild_licence import EbuildLicenceCataloger
from watcher.inspection.catalogers.licence import LicenceCataloger, described_directory
from watcher.inspection.image.links import Links
from watcher.model.inventory import Note, PackageRecord

_TYPES = frozenset({"npm", "pypi"})
_BESIDE = frozenset({LicenceCataloger.type, EbuildLicenceCataloger.type})
_COPIES = "_vendor"
# What names of distributions have where those of their modules have an underscore.
_NO_MODULE = re.compile(r"[-.]+")

# npm package.json(5): where else it says so.
_ELSEWHERE = re.compile(r"see licen[cs]e in (?:\./)?(\S+)", re.IGNORECASE)
# What says of a licence no more than its family, or who holds the rights: the classifier of PyPI for all of BSD's is one.
_VAGUE = re.compile(
    r"(?:the )?bsd(?:[- ](?:style|like))?(?: licen[cs]e)?(?: \(see .*)?|dual[- ]licen[cs]ed?|copyright\b.*|\(c\) .*|"
    r"(?:see )?(?:the )?licen[cs]e(?: file|\.\w+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NotedLicences:
    """What other files say of licences, Debian's by the name of the package, others by the directory of its metadata."""

    copyrights: Mapping[str, Note] = field(default_factory=dict)
    texts: Mapping[str, tuple[Note, ...]] = field(default_factory=dict)

    def of(self, record: PackageRecord, path: str) -> Note | None:
        """What is said of a package that the database at `path` lists, with the first file that does.

        Of a package of Debian it counts for more than what the database says; a package of Python or npm keeps what it says itself
        if that is the name of a licence. Gentoo's database says nothing of licences but in that file.
        """
        if record.type == "deb":
            return self.copyrights.get(record.name)
        if record.type == EbuildCataloger.type:
            return next(iter(self.texts.get(_directory(record, path), ())), None)
        if record.type not in _TYPES or record.place or not (texts := self.texts.get(_directory(record, path))):
            return None
        elsewhere = [found[1] for each in record.licenses if (found := _ELSEWHERE.fullmatch(each))]
        if elsewhere:
            texts = tuple(each for each in texts if each.path.rpartition("/")[2] in elsewhere)
        if not texts or (not elsewhere and not all(map(_VAGUE.fullmatch, record.licenses))):
            return None
        return replace(texts[0], licenses=tuple(dict.fromkeys(name for each in texts for name in each.licenses)))


def _directory(record: PackageRecord, path: str) -> str:
    """Where the texts of a package are; of copies that a document lists, as pip's `_vendor/bom.cdx.json`, beside their code."""
    directory = path.rpartition("/")[0]
    if record.type != "pypi" or directory.rpartition("/")[2] != _COPIES:
        return directory
    return f"{directory}/{_NO_MODULE.sub('_', record.name).lower()}"


def noted_licences(notes: Mapping[str, Note], debian: Collection[str], links: Links) -> NotedLicences:
    """`notes` are those that are left in the image, by where they really are; `debian` the names of Debian's packages.

    The directory of a copyright file may be a link, as Debian has it for packages of one source.
    """
    if not notes:
        return NotedLicences()
    copyrights = {path: note for path, note in notes.items() if note.type == CopyrightCataloger.type}
    places = {name: links.follow(copyright_path(name)) for name in debian} if copyrights else {}
    texts: dict[str, list[Note]] = {}
    for path, note in sorted(notes.items()):
        if note.type in _BESIDE:
            texts.setdefault(described_directory(path), []).append(note)
    return NotedLicences(
        copyrights={name: copyrights[place] for name, place in places.items() if place in copyrights},
        texts={directory: tuple(each) for directory, each in texts.items()},
    )
