"""What is said to people, before anybody knows where: blocks of lines, whose foreign parts are marked as such. Pure.

Nothing here knows what a verdict is, nor how a channel writes bold.
"""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is, which many channels show as a colour."""

    BAD = "bad"
    DOUBTFUL = "doubtful"
    GOOD = "good"
    NEUTRAL = "neutral"


class Voice(StrEnum):
    """Whose words they are. FOREIGN and NAME may hold anything: whoever pushes an image has a say in them.

    OURS and STRONG are written by us, and are no place for anything that was read. FOREIGN is a sentence or a word of others, NAME
    what people copy: an image, a digest, a rule.
    """

    OURS = "ours"
    STRONG = "strong"
    FOREIGN = "foreign"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    voice: Voice = Voice.OURS


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of a list. It stands for `count` things, which matters when it has to be left out."""

    line: Line
    details: tuple[Line, ...] = ()
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`omitted` things more are not listed; `noun` is what they are, in the plural."""

    items: tuple[Item, ...]
    omitted: int = 0
    noun: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Lines that belong together, none of which is empty."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A label of ours, and an address that we made."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Said in this order; where there is little room, later blocks go first, and links and the title stay.

    `about` is a key of what it is about: a GOOD one ends what others with the same key began. Empty where nothing can end.
    """

    title: Line
    level: Level = Level.NEUTRAL
    about: str = ""
    blocks: tuple[Paragraph | Listing, ...] = ()
    links: tuple[Link, ...] = ()


def ours(text: str) -> Span:
    return Span(text)


def strong(text: str) -> Span:
    return Span(text, Voice.STRONG)


def foreign(text: str) -> Span:
    return Span(text, Voice.FOREIGN)


def name(text: str) -> Span:
    return Span(text, Voice.NAME)
