"""Texts of others, made harmless wherever they are shown: everything can be seen, nothing calls anybody or leads anywhere. Pure.

What is markup in one channel only is a matter of that channel's markup.
"""

import re
import unicodedata

from watcher.kit.printable import escaped

# A name can be 255 characters, a path 4096; nobody reads more than this of one in a message.
MOST_CHARACTERS = 200
ELLIPSIS = "…"

# Printable by their category, and nothing to be seen: fillers, variation selectors, the grapheme joiner, the blank of braille.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(each) for each in range(0xFE00, 0xFE10)}
# Some scripts put two or three marks on a letter; more of them are there to cover the lines above and below.
_MOST_MARKS = 3
# Everything with a scheme is made a link by some channel. Bare domains stay: what takes them for links takes file names for links
# too, and what people copy most is the name of a registry.
_SCHEME = re.compile(r"://")
_WORD_SCHEME = re.compile(r"\b(mailto|tel|sms|xmpp|sip|sips|magnet|javascript|data|slack|tg):", re.IGNORECASE)
_WWW = re.compile(r"\b(www)\.", re.IGNORECASE)
# `@here`, `@everyone`, `<@U123>`; but nobody is called sha256.
_MENTION = re.compile(r"@(?!\s|sha(?:256|512):)")
# Stands for a text of nothing but spaces.
_BLANK = "\N{OPEN BOX}"
# What stands between the sign and the name, so that it is none: as libraries for chats do it, and it cannot be seen.
_APART = "\u200b"


def inert(text: str, most: int = MOST_CHARACTERS, *, keep_end: bool = False) -> str:
    r"""At most `most` characters, and the few that keep it from being a link or a mention. `keep_end` leaves out the middle.

    What cannot be seen is written as `\u202e`, as are ends of lines. Links are written as security people do: `https[://]host`.
    """
    # Spaces at the beginning of a line are code in Markdown, at its end they end it.
    if text:
        text = text.strip(" ") or _BLANK
    shown = _cut(_visible(text), most, keep_end=keep_end)
    shown = _SCHEME.sub("[://]", shown)
    shown = _WORD_SCHEME.sub(r"\1[:]", shown)
    shown = _WWW.sub(r"\1[.]", shown)
    return _MENTION.sub("@" + _APART, shown)


def _visible(text: str) -> list[str]:
    """One piece for each character, so that none is cut in two."""
    pieces, marks = [], 0
    # Longer texts are cut anyway, from either end.
    if len(text) > 2 * MOST_CHARACTERS:
        text = text[:MOST_CHARACTERS] + text[-MOST_CHARACTERS:]
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        hidden = not character.isprintable() or character in _UNSEEN or marks > _MOST_MARKS
        pieces.append(escaped(character) if hidden else character)
    return pieces


def _cut(pieces: list[str], most: int, *, keep_end: bool) -> str:
    if sum(map(len, pieces)) <= most:
        return "".join(pieces)
    room = max(0, most - len(ELLIPSIS))
    tail = _fitting(pieces[::-1], room // 2)[::-1] if keep_end else []
    head = _fitting(pieces, room - sum(map(len, tail)))
    return "".join((*head, ELLIPSIS, *tail))


def _fitting(pieces: list[str], most: int) -> list[str]:
    length, fitting = 0, []
    for piece in pieces:
        length += len(piece)
        if length > most:
            break
        fitting.append(piece)
    return fitting
