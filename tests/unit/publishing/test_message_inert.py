import pytest

from watcher.publishing.message_inert import MOST_CHARACTERS, inert


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("team/app", "team/app"),
        ("C:\\Users", "C:\\Users"),
        ("naïve 中文 😀", "naïve 中文 😀"),
        ("registry.example.com:5000/team/app@sha256:" + "1" * 12, "registry.example.com:5000/team/app@sha256:" + "1" * 12),
        ("one\ntwo\r\n\tthree", "one\\x0atwo\\x0d\\x0a\\x09three"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u200bb\ufeffc\u2066d\u00ade", "a\\u200bb\\ufeffc\\u2066d\\xade"),
        ("a\u3164b\ufe0fc\u034fd", "a\\u3164b\\ufe0fc\\u034fd"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("line\u2028separator", "line\\u2028separator"),
        ("e\u0301", "e\u0301"),
        ("z" + "\u0335" * 5, "z" + "\u0335" * 3 + "\\u0335" * 2),
        ("@here <@U1> a@b.example", "@\u200bhere <@\u200bU1> a@\u200bb.example"),
        ("at @ once", "at @ once"),
        ("    code  ", "code"),
        ("   ", "\N{OPEN BOX}"),
        ("", ""),
        ("see https://evil.example or WWW.evil.example", "see https[://]evil.example or WWW[.]evil.example"),
        ("JavaScript:alert(1) mailto:a", "JavaScript[:]alert(1) mailto[:]a"),
        ("setup.py of registry.example.com/team", "setup.py of registry.example.com/team"),
    ],
)
def test_everything_is_seen_and_nothing_leads_anywhere(text: str, shown: str) -> None:
    """What is usual in names of images and in paths stays as it is."""
    assert inert(text) == shown


def test_a_long_text_is_cut_where_its_reader_misses_least() -> None:
    """A sentence at its end, a name in the middle, since its end is a tag or a file."""
    assert inert("x" * 5000) == "x" * (MOST_CHARACTERS - 1) + "…"
    name = inert("registry.example.com/" + "team/" * 100 + "app:v1.2.3", keep_end=True)
    assert len(name) == MOST_CHARACTERS
    assert name.startswith("registry.example.com/team/")
    assert name.endswith("/app:v1.2.3")


def test_no_character_is_cut_in_two() -> None:
    """Half an escape would be another text."""
    for most in range(1, 12):
        shown = inert("\u202e" * 5, most)
        assert len(shown) <= most
        assert shown.replace("\\u202e", "") in ("…", "")
