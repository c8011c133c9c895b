"""Licences by the words of their texts."""

import pytest

from watcher.inspection.catalogers.licence_texts import licences_of

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy\nof this software"
ISC = "Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee is hereby granted"
BSD = "Redistribution and use in source and binary forms, with or without modification, are permitted"
GPL_3_OR_LATER = (
    "the GNU General Public License as published by\nthe Free Software Foundation, either version 3 of the License, or\n"
    "(at your option) any later version"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"The MIT License\n\nCopyright (c) 2020 Somebody\n\n{MIT}", ["MIT"]),
        (f"> {MIT}, and to permit persons to whom it is furnished to do so.\n\nTHE SOFTWARE IS PROVIDED", ["MIT-0"]),
        (f"{MIT}\nThe Software shall be used for Good, not Evil.", ["JSON"]),
        (f"University of Illinois/NCSA\nOpen Source License\n\n{MIT}", ["NCSA"]),
        (f"{ISC}, provided that the above", ["ISC"]),
        (f"{ISC}.\n\nTHE SOFTWARE IS PROVIDED", ["0BSD"]),
        (BSD, ["BSD-2-Clause"]),
        ("Redistribution and use of this software in source and binary forms", ["BSD-2-Clause"]),
        (f"{BSD} may not be used to endorse or promote products", ["BSD-3-Clause"]),
        (f"{BSD} All advertising materials mentioning features", ["BSD-4-Clause"]),
        (f"{BSD} The end-user documentation included with the redistribution", []),
        ("                  Apache License\n   Version 2.0, January 2004\n", ["Apache-2.0"]),
        ("# Mozilla Public License Version 2.0\n", ["MPL-2.0"]),
        ("the terms of the Mozilla Public\nLicense, v. 2.0.", ["MPL-2.0"]),
        ("Eclipse Public License - v 2.0\n\n    THE ACCOMPANYING", ["EPL-2.0"]),
        ("This is free and unencumbered software released into the public domain.", ["Unlicense"]),
        ("CC0 1.0 Universal\n", ["CC0-1.0"]),
        ("Boost Software License - Version 1.0 - August 17th, 2003", ["BSL-1.0"]),
        ("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n-----", ["PSF-2.0"]),
        ("# Blue Oak Model License\n\nVersion 1.0.0\n", ["BlueOak-1.0.0"]),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 2, June 1991\n", ["GPL-2.0-only"]),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n   Version 2.1, February 1999\n", ["LGPL-2.1-only"]),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007\n", ["AGPL-3.0-only"]),
        (f"{GPL_3_OR_LATER}.\n\nGNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007", ["GPL-3.0-or-later"]),
        (f"{GPL_3_OR_LATER}. GCC Runtime Library Exception", ["GPL-3.0-or-later WITH GCC-exception-3.1"]),
        (f"Apache License, Version 2.0, or {BSD}", ["Apache-2.0", "BSD-2-Clause"]),
        ("See the GNU General Public License for more details.", []),
        ("Permission is hereby granted, free of charge, to any person obtaining a copy of the Unicode data files", []),
        ("Parts of it are in the public domain. All rights reserved.", []),
        ("", []),
    ],
)
def test_a_text_is_known_by_words_that_no_copy_changes(text: str, found: list[str]) -> None:
    """However it is broken into lines, quoted and emphasised; what could be of another licence as well claims none."""
    assert list(licences_of(text.encode())) == found
