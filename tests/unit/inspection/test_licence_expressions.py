"""Licences as packages state them, and the SPDX expressions they become."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from watcher.inspection.image.licence_expressions import expression, expressions

SPDX = get_spdx_licensing()


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("(MIT OR Apache-2.0)", "MIT OR Apache-2.0"),
        ("GPL-2.0-or-later WITH GCC-exception-3.1", "GPL-2.0-or-later WITH GCC-exception-3.1"),
        # What SPDX has given up.
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        # Debian.
        ("Expat", "MIT"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("GPL-1+ or Artistic, and BSD-4-clause", "(GPL-1.0-or-later OR Artistic-1.0-Perl) AND BSD-4-Clause"),
        ("GPL-2+ with OpenSSL exception", "GPL-2.0-or-later"),
        ("public-domain", "LicenseRef-public-domain"),
        # Fedora.
        ("GPLv2+ and LGPLv2+", "GPL-2.0-or-later AND LGPL-2.0-or-later"),
        ("GPLv3+ and GPLv2+ with exceptions and BSD", "GPL-3.0-or-later AND GPL-2.0-or-later AND LicenseRef-BSD"),
        ("ASL 2.0", "Apache-2.0"),
        # Alpine, before it took to SPDX.
        ("MIT GPL-2.0-only", "MIT AND GPL-2.0-only"),
        # PyPI's classifiers.
        ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only"),
        ("Python Software Foundation License", "PSF-2.0"),
        # npm, crates, and Maven's addresses.
        ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("SEE LICENSE IN terms.md", "LicenseRef-SEE-LICENSE-IN-terms.md"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("http://www.opensource.org/licenses/mit-license.php", "MIT"),
        ("The Apache Software License, Version 2.0", "Apache-2.0"),
        ("Apache License 2.0; MIT", "Apache-2.0 AND MIT"),
        ("GPLv2 and/or MIT", "GPL-2.0-only OR MIT"),
        # R.
        ("GPL (>= 2)", "GPL-2.0-or-later"),
        ("LGPL(>=2.1)", "LGPL-2.1-or-later"),
        ("GPL (== 2)", "GPL-2.0-only"),
        ("Apache License (>= 2)", "Apache-2.0"),
        ("MIT + file LICENSE", "MIT"),
        ("GPL (>= 2) | BSD_3_clause + file LICENCE", "GPL-2.0-or-later OR BSD-3-Clause"),
        ("GPL-3 + file LICENSE", "GPL-3.0-only AND LicenseRef-file-LICENSE"),
        ("GPL-2 | file LICENCE", "GPL-2.0-only OR LicenseRef-file-LICENCE"),
        ("GPL (>= 2.0, < 3)", "LicenseRef-GPL-2.0-3"),
        # Nothing that an expression could be made of.
        ("MIT OR", "LicenseRef-MIT-OR"),
        ("((((", ""),
        ("", ""),
    ],
)
def test_each_ecosystem_says_it_in_its_own_way(stated: str, meant: str) -> None:
    """One licence has one name in the end, so that a policy can ask for it."""
    assert expression(stated) == meant


def test_what_several_texts_say_is_said_once() -> None:
    """In the order of the package."""
    assert expressions(("Expat", "MIT", "", "BSD 3-Clause")) == ("MIT", "BSD-3-Clause")


def test_every_identifier_of_spdx_is_itself() -> None:
    """No name of another licence takes its place; those that were given up are what took theirs."""
    licences = [key for key, symbol in SPDX.known_symbols.items() if not symbol.is_exception]
    assert len(licences) > 500
    assert [key for key in licences if expression(key) != key] == []


WORDS = st.sampled_from(
    ["MIT", "GPL-2+", "and", "or", "with", "(", ")", ",", "/", " ", "Apache", "2.0", "v", "+", "é", "\0", "later"]
)


@given(st.lists(WORDS, max_size=30).map("".join) | st.lists(WORDS, max_size=30).map(" ".join) | st.text(max_size=256))
def test_whatever_is_stated_the_expression_is_valid(stated: str) -> None:
    """Or there is none; an expression is one already."""
    found = expression(stated)
    if found:
        unknown = [symbol.key for symbol in SPDX.unknown_license_symbols(found)]
        assert all(re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", each) for each in unknown), found
        assert expression(found) == found
