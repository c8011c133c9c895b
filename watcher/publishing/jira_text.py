"""What a ticket says, as Jira takes it: a document of nodes in its cloud, wiki text in a data center. Pure.

Spec: developer.atlassian.com/cloud/jira/platform/apis/document, "Atlassian Document Format"; "Text Formatting Notation" of Jira.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from watcher.publishing.message import Item, Line, Listing, Message, Paragraph, Span, Voice
from watcher.publishing.message_inert import inert
from watcher.publishing.message_markup import Markup

# A text field takes 32 767 characters, of a document's JSON as well.
MOST_CHARACTERS = 30_000

# What begins a markup, a macro, a link or a mention, and can be escaped; a line that begins with `h1.` or `bq.` is a heading or a
# quotation, and two backslashes end one.
_WIKI_ACTIVE = re.compile(r"[{}\[\]()*_\-+^~?!|#@%]")
_WIKI_OPENING = re.compile(r"^(\s*(?:h[1-6]|bq))\.")


def _wiki_text(text: str) -> str:
    alike = _WIKI_OPENING.sub("\\1\N{ONE DOT LEADER}", text.replace("\\", "\N{REVERSE SOLIDUS OPERATOR}"))
    return _WIKI_ACTIVE.sub(lambda found: "\\" + found[0], alike)


WIKI = Markup(
    text=_wiki_text,
    name=_wiki_text,
    strong=lambda text: f"*{text}*",
    link=lambda label, url: f"[{_wiki_text(label)}|{url}]",
    bullet="* ",
    indent="** ",
    line_end="\n",
    gap="\n\n",
)


def document(message: Message) -> dict[str, Any]:
    """The blocks of a message. Lists have fewer items where all of it would be too long."""
    made = _document(message)
    while len(json.dumps(made)) > MOST_CHARACTERS and any(isinstance(block, Listing) and block.items for block in message.blocks):
        message = replace(message, blocks=tuple(map(_shorter, message.blocks)))
        made = _document(message)
    return made


def comment(text: str) -> dict[str, Any]:
    """A sentence of ours."""
    return _document(Message(title=(), blocks=(Paragraph(lines=((Span(text),),)),)))


def _shorter(block: Paragraph | Listing) -> Paragraph | Listing:
    if isinstance(block, Paragraph) or not block.items:
        return block
    gone = block.items[-max(1, len(block.items) // 4) :]
    return replace(block, items=block.items[: -len(gone)], omitted=block.omitted + sum(each.count for each in gone))


def _document(message: Message) -> dict[str, Any]:
    return {"version": 1, "type": "doc", "content": [_block(block) for block in message.blocks]}


def _block(block: Paragraph | Listing) -> dict[str, Any]:
    if isinstance(block, Paragraph):
        return _paragraph(block.lines)
    items = [*block.items]
    if block.omitted:
        items.append(Item(line=(Span(f"… and {block.omitted} more {block.noun if block.omitted > 1 else ''}".rstrip()),)))
    entries = [{"type": "listItem", "content": [_paragraph((each.line, *each.details))]} for each in items]
    return {"type": "bulletList", "content": entries}


def _paragraph(lines: Sequence[Line]) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        if number:
            nodes.append({"type": "hardBreak"})
        nodes += _texts(line)
    return {"type": "paragraph", "content": nodes}


def _texts(line: Line) -> Iterator[dict[str, Any]]:
    """A text without any character is none that Jira takes."""
    for span in line:
        foreign = span.voice in (Voice.NAME, Voice.FOREIGN)
        text = inert(span.text, keep_end=span.voice is Voice.NAME) if foreign else span.text
        mark = {Voice.NAME: "code", Voice.STRONG: "strong"}.get(span.voice)
        if text:
            yield {"type": "text", "text": text, **({"marks": [{"type": mark}]} if mark else {})}
