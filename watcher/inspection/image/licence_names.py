"""What licences are called besides their SPDX identifiers: by Debian, Fedora, PyPI's classifiers, npm, and people.

Names are compared without case, and with one space where there are several, or a hyphen or an underscore.
"""

import re

# After Debian's machine-readable copyright format 1.0 "Short name", Fedora's list of good licences, and PyPI's classifiers.
_NAMES = """
0BSD: bsd zero clause
AFL-2.1: afl
Apache-1.1: asl 1.1
Apache-2.0: apache 2 | apache 2.0 | apache license | apache license 2 | apache license 2.0 | apache license v2 | apache license v2.0
Apache-2.0: apache license version 2 | apache license version 2.0 | apache license, version 2.0 | apache software license
Apache-2.0: apache software license 2 | apache software license 2.0 | apache v2 | apache v2.0 | apache2 | apache2.0 | apachev2
Apache-2.0: apache.org/licenses/license 2.0 | asl 2.0 | asl2.0
Apache-2.0: the apache license | the apache license 2.0 | the apache license, version 2.0 | apache 2 license
Apache-2.0: the apache software license, version 2.0 | apache 2.0 license | apache software license version 2.0 | al2 | asl2
Artistic-1.0-Perl: artistic | artistic license | perl artistic
Artistic-2.0: artistic 2 | artistic 2.0 | artistic license 2.0
BSD-2-Clause: bsd 2 | bsd 2 clause license | bsd2 | bsd 2clause | simplified bsd | simplified bsd license | freebsd license
BSD-2-Clause: the bsd 2 clause license | bsd 2 clause "simplified" license | bsd 2 clause simplified license
BSD-3-Clause: bsd 3 | bsd 3 clause license | bsd3 | bsd 3clause | modified bsd | modified bsd license | new bsd | new bsd license
BSD-3-Clause: bsd 3 clause "new" or "revised" license | revised bsd license | the bsd 3 clause license | the new bsd license
BSD-3-Clause: bsd with advertising clause removed | 3 clause bsd | 3 clause bsd license | edl 1.0
BSD-4-Clause: bsd 4 | bsd with advertising | original bsd
BSL-1.0: boost | boost software license | boost software license 1.0 | boost software license 1.0 (bsl 1.0)
CC-BY-3.0: cc by 3
CC-BY-SA-3.0: cc by sa 3
CC-BY-SA-4.0: cc by sa
CC0-1.0: cc0 | cc0 1.0 universal | cc0 1.0 universal (cc0 1.0) public domain dedication
CDDL-1.0: cddl | common development and distribution license | common development and distribution license 1.0 (cddl 1.0)
CPL-1.0: cpl | common public license | common public license version 1.0
EPL-1.0: epl | eclipse public license | eclipse public license 1.0 | eclipse public license 1.0 (epl 1.0)
EPL-1.0: eclipse public license v1.0
EPL-2.0: eclipse public license 2.0 | eclipse public license 2.0 (epl 2.0)
EPL-2.0: eclipse public license v2.0 | eclipse public license v. 2.0
EUPL-1.2: eupl | european union public licence 1.2 (eupl 1.2)
FTL: freetype | freetype license
HPND: historical permission notice and disclaimer (hpnd)
ISC: isc license | isc license (iscl) | the isc license | iscl
LPPL-1.3c: lppl | latex project public license
MIT: expat | expat license | mit license | mit license (mit) | the mit license | the mit license (mit)
MIT: mit/x11 | x11/mit | mit/expat | mit style | mit expat | mit licence | the mit licence | bouncy castle licence
MIT-0: mit no attribution license (mit 0)
MPL-1.1: mozilla public license 1.1 | mozilla public license 1.1 (mpl 1.1) | mplv1.1
MPL-2.0: mpl | mozilla public license | mozilla public license 2.0 | mozilla public license 2.0 (mpl 2.0) | mplv2.0 | mpl2 | mpl 2
NCSA: university of illinois/ncsa open source license
OFL-1.1: ofl | sil open font license 1.1 (ofl 1.1) | sil open font license
OpenSSL: openssl license
PHP-3.01: php license | php
PSF-2.0: psf | psf license | psfl | python software foundation license | python software foundation
Python-2.0: python | python license (cnri python license)
QPL-1.0: qpl | qt public license (qpl)
Ruby: ruby license
Sleepycat: sleepycat license
TCL: tcl/tk
Unicode-DFS-2016: unicode
Unlicense: the unlicense | the unlicense (unlicense)
UPL-1.0: universal permissive license (upl)
Vim: vim license
W3C: w3c license
WTFPL: do what the fuck you want to public license
X11: x11 license
Zlib: zlib/libpng | zlib/libpng license | zlib license
ZPL-2.1: zpl | zope public license | zpl 2.1
LicenseRef-public-domain: public domain | pd | publicdomain
"""


# What an address has around the name of the licence that it is of.
_URL = re.compile(r"^https?://(?:www\.)?(?:(?:opensource|spdx)\.org/licen[cs]es?/)?|(?: license)?\.(?:txt|html|php|md)$")


def key(name: str) -> str:
    """What names that mean the same have in common."""
    return _URL.sub("", " ".join(name.casefold().replace("-", " ").replace("_", " ").split()))


_BY_NAME = {
    key(name): identifier
    for line in _NAMES.strip().splitlines()
    for identifier, _, names in [line.partition(": ")]
    for name in names.split(" | ")
}

# The GNU family is called by every combination of these. `v2 or later (GPLv2+)` says it twice.
_GNU = re.compile(
    r"(?:the )?(?:gnu )?(?:"
    r"(?P<short>[al]|gf)?gpl|gfdl|fdl|"
    r"(?P<long>affero|lesser|library|library or lesser|lesser or library)? ?general public licen[cs]e|free documentation licen[cs]e"
    r")(?: \([al]?gpl\))?,? ?v? ?(?:version ?)?(?P<version>\d(?:\.\d)?)?(?:\.0)?"
    r"(?P<later>\+| ?or (?:later|newer|greater|any later version)| and later)?(?P<only> only)?"
    r"(?: \([al]?(?:gpl|fdl)v?[\d.]*\+?\))?",
)
_FIRST = {"GPL": "1.0", "LGPL": "2.0", "AGPL": "1.0", "GFDL": "1.1"}
_FAMILY = {"a": "AGPL", "l": "LGPL", "affero": "AGPL"}


def spdx_of(name: str) -> str:
    """The SPDX identifier of a licence that is called so, empty when nobody calls one so. The identifiers themselves are no names.

    A member of the GNU family without a version is of any, as its own text says: `GPL-1.0-or-later`.
    """
    called = key(name)
    if known := _BY_NAME.get(called) or _BY_NAME.get(called.removesuffix(" license")):
        return known
    found = _GNU.fullmatch(called)
    if found is None:
        return ""
    if "fdl" in called or "documentation" in called:
        family = "GFDL"
    else:
        family = _FAMILY.get(found["short"] or found["long"] or "", "LGPL" if found["long"] else "GPL")
    version = found["version"] or _FIRST[family]
    version = version if "." in version else f"{version}.0" if family != "GFDL" else f"{version}.1"
    later = found["later"] or not found["version"]
    return f"{family}-{version}-{'or-later' if later else 'only'}"
