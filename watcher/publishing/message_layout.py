"""A message as one text in a channel's markup, as long as the channel takes. Pure.

What is too long loses whole lines, then characters of names and sentences before they are escaped: a cut never falls into an
escape, and the channel has nothing to cut or to split.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from watcher.publishing.message import Item, Line, Listing, Message, Paragraph, Span, Voice
from watcher.publishing.message_inert import MOST_CHARACTERS, inert
from watcher.publishing.message_markup import PLAIN, Markup

# How long a foreign string may be, from what is comfortable to what just says something.
_SIZES = (MOST_CHARACTERS, 120, 80, 50, 30, 15, 5, 1)


def in_bytes(text: str) -> int:
    """How long a text is. Channels count characters, UTF-16 or bytes; whoever counts, it is no more than this."""
    return len(text.encode())


def title_text(message: Message, markup: Markup = PLAIN, *, most: int, length: Callable[[str], int] = in_bytes) -> str:
    """The title as one line that is at most `most` long."""
    return _fitted_line(message.title, markup, most, length)


def body_text(message: Message, markup: Markup, *, most: int, titled: bool = False, length: Callable[[str], int] = in_bytes) -> str:
    """Everything below the title, or with it as the first line, at most `most` long. Never empty.

    A message without blocks and links says its title again, since channels refuse an empty body.
    """
    titled = titled or not (message.blocks or message.links)
    for size in _SIZES[:3]:
        for shorter in _shorter(message):
            text = _text(shorter, markup, size, titled=titled)
            if length(text) <= most:
                return text
    # Not even the links have room: a text message of a telephone, say.
    return _fitted_line(message.title, markup, most, length)


def _shorter(message: Message) -> Iterator[Message]:
    """The message, then with less and less: details from the last on, what stands below lists, items, and everything."""
    yield message
    for thinner in (_without_details, _fewer_items):
        for place, block in reversed(list(enumerate(message.blocks))):
            if isinstance(block, Listing):
                for kept in thinner(block):
                    message = replace(message, blocks=(*message.blocks[:place], kept, *message.blocks[place + 1 :]))
                    yield message
        while message.blocks and isinstance(message.blocks[-1], Paragraph):
            message = replace(message, blocks=message.blocks[:-1])
            yield message
    while message.blocks:
        message = replace(message, blocks=message.blocks[:-1])
        yield message


def _without_details(listing: Listing) -> Iterator[Listing]:
    items = listing.items
    for place in reversed(range(len(items))):
        if items[place].details:
            items = (*items[:place], replace(items[place], details=()), *items[place + 1 :])
            yield replace(listing, items=items)


def _fewer_items(listing: Listing) -> Iterator[Listing]:
    while listing.items:
        listing = replace(listing, items=listing.items[:-1], omitted=listing.omitted + listing.items[-1].count)
        yield listing


def _text(message: Message, markup: Markup, size: int, *, titled: bool) -> str:
    blocks = [_block(block, markup, size) for block in message.blocks]
    if titled:
        blocks.insert(0, markup.strong(_line(message.title, markup, size, even=True)))
    if message.links:
        blocks.append(markup.line_end.join(markup.link(link.label, link.url) for link in message.links))
    return markup.gap.join(filter(None, blocks))


def _block(block: Paragraph | Listing, markup: Markup, size: int) -> str:
    if isinstance(block, Paragraph):
        return markup.line_end.join(_line(line, markup, size) for line in block.lines)
    entries = [_entry(item, markup, size) for item in block.items]
    if block.omitted:
        more = f"… and {block.omitted} more" if entries else f"{block.omitted}"
        noun = f" {block.noun}" if block.noun and block.omitted > 1 else ""
        entries.append(markup.bullet + markup.text(more + noun))
    return markup.line_end.join(entries)


def _entry(item: Item, markup: Markup, size: int) -> str:
    lines = [markup.bullet + _line(item.line, markup, size), *(markup.indent + _line(each, markup, size) for each in item.details)]
    return markup.line_end.join(lines)


def _line(line: Line, markup: Markup, size: int, *, even: bool = False) -> str:
    """`even`: nothing of it stands out, as in a title, which is strong as a whole."""
    return "".join(_span(span, markup, size, even=even) for span in line)


def _span(span: Span, markup: Markup, size: int, *, even: bool) -> str:
    if span.voice is Voice.NAME:
        text = inert(span.text, size, keep_end=True)
        return markup.text(text) if even else markup.name(text)
    if span.voice is Voice.FOREIGN:
        return markup.text(inert(span.text, size))
    text = markup.text(span.text)
    return markup.strong(text) if span.voice is Voice.STRONG and not even else text


def _fitted_line(line: Line, markup: Markup, most: int, length: Callable[[str], int]) -> str:
    for size in _SIZES:
        text = _line(line, markup, size, even=True)
        if length(text) <= most:
            return text
    # Words of ours alone are longer than that. Each character is escaped by itself, so that none is cut in two.
    fitted = ""
    for character in _line(line, PLAIN, 1, even=True):
        longer = fitted + markup.text(character)
        if length(longer) > most:
            break
        fitted = longer
    return fitted
