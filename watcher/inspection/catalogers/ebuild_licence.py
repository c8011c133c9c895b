"""The licences of Gentoo's packages: LICENSE beside CONTENTS, conditions resolved when it was installed.

Names are those of Gentoo's own list of licences: `BSD` is the one with three clauses, and a version without a plus is that alone.

Spec: Package Manager Specification, 8.2 "Dependency specification format"; metadata/license-mapping.conf of Gentoo's repository.
"""

from collections.abc import Iterator

from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import Note

# The longest, of collections of fonts and of TeX, have some hundred names.
MAX_BYTES = 64 * 1024
MAX_LICENCES = 32
# Groups within groups. Nobody nests more than three; deeper ones are no licences.
_MAX_DEPTH = 16

# Those whose names say to others something else, or nothing.
_NAMES = {
    "Apache-2.0-with-LLVM-exceptions": "Apache-2.0 WITH LLVM-exception",
    "BEER-WARE": "Beerware",
    "BSD": "BSD-3-Clause",
    "BSD-1": "BSD-1-Clause",
    "BZIP2": "bzip2-1.0.6",
    "Boost-1.0": "BSL-1.0",
    "CC-PD": "CC-PDDC",
    "CPOL": "CPOL-1.02",
    "CeCILL-2": "CECILL-2.0",
    "GPL-2+-with-classpath-exception": "GPL-2.0-or-later WITH Classpath-exception-2.0",
    "GPL-2-with-classpath-exception": "GPL-2.0-only WITH Classpath-exception-2.0",
    "GPL-2-with-font-exception": "GPL-2.0-only WITH Font-exception-2.0",
    "IBM": "IPL-1.0",
    "IPAfont": "IPA",
    "MIT-with-advertising": "MIT-advertising",
    "OFL": "OFL-1.0",
    "OPENLDAP": "OLDAP-2.7",
    "OPL": "OPUBL-1.0",
    "PHP-3": "PHP-3.0",
    "PSF-2": "PSF-2.0",
    "RSA": "RSA-MD",
    "SSPL-1": "SSPL-1.0",
    "UoI-NCSA": "NCSA",
    "WTFPL-2": "WTFPL",
    "libpng2": "libpng-2.0",
    "tcltk": "TCL",
    "tcp_wrappers_license": "TCP-wrappers",
}


class EbuildLicenceCataloger:
    """Says which licences the package beside it is under. What is no list of licences says nothing."""

    type = "ebuild-licence"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"LICENSE"}))

    def wants(self, path: str, size: int) -> bool:
        parts = path.rsplit("/", 5)
        return size <= MAX_BYTES and len(parts) >= 5 and parts[-5:-3] == ["db", "pkg"] and parts[-1] == "LICENSE"

    def read(self, path: str, content: bytes) -> Facts:
        words = iter(content.decode("utf-8", "replace").split())
        terms = _terms(words, depth=0)
        if terms is None or next(words, None) is not None:
            return ()
        licenses = tuple(dict.fromkeys(bounded(each.encode()) for each in terms))[:MAX_LICENCES]
        return (Note(path=path, type=self.type, licenses=licenses),) if licenses else ()


def _terms(words: Iterator[str], *, depth: int) -> list[str] | None:
    """Those up to the end of a group, or of everything, of which all hold; None where a group is not one.

    Of a group behind `||` any holds. A condition that is still there is taken as met: whoever forbids what is under it hears of it.
    """
    terms: list[str] = []
    between = " AND "
    for word in words:
        if word == ")":
            return terms if depth else None
        if word == "||":
            between = " OR "
        elif word == "(":
            within = _terms(words, depth=depth + 1) if depth < _MAX_DEPTH else None
            if within is None:
                return None
            terms += [f"({between.join(within)})"] if len(within) > 1 else within
            between = " AND "
        elif not word.endswith("?"):
            terms.append(_NAMES.get(word, word))
    return None if depth else terms
