"""Whatever others called their images: a message of it is a text wherever it is shown, and calls nobody and leads nowhere."""

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.doubles.hostile_verdicts import TRAPS
from watcher.publishing.message import Item, Link, Listing, Message, Paragraph, foreign, name, ours, strong
from watcher.publishing.message_inert import MOST_CHARACTERS, inert
from watcher.publishing.message_layout import body_text, in_bytes, title_text
from watcher.publishing.message_markup import (
    CHAT_HTML,
    GOOGLE_CHAT,
    HTML,
    MARKDOWN,
    PLAIN,
    SLACK,
    TEAMS,
    TELEGRAM,
    UNBRACKETED,
    Markup,
)

URL = "https://watcher.example.com/v"
MARKUPS = {
    "plain": PLAIN,
    "unbracketed": UNBRACKETED,
    "markdown": MARKDOWN,
    "teams": TEAMS,
    "slack": SLACK,
    "google-chat": GOOGLE_CHAT,
    "html": HTML,
    "chat-html": CHAT_HTML,
    "telegram": TELEGRAM,
}
# Anything at all, and what means something to somebody, broken and put together anew.
PIECES = ["://", "https://", *sorted({piece for trap in TRAPS for piece in re.split(r"(\W)", trap) if piece and len(piece) < 50})]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join)).filter(bool)


def message_of(sentence: str, word: str) -> Message:
    return Message(
        title=(ours("fail: "), name(word), ours(" ("), foreign(sentence), ours(")")),
        blocks=(
            Paragraph(lines=((foreign(sentence),), (ours("said "), name(word), ours(" and "), foreign(sentence)))),
            Listing(items=(Item(line=(strong("fail"), ours(": "), foreign(sentence)), details=((name(word),),)),)),
        ),
        links=(Link(label="verdict", url=URL),),
    )


@pytest.mark.parametrize("markup", MARKUPS.values(), ids=MARKUPS)
@given(sentence=TEXTS, word=TEXTS)
def test_nothing_calls_anybody_leads_anywhere_or_hides(markup: Markup, sentence: str, word: str) -> None:
    """In no channel: neither as it is written, nor with its entities decoded, nor with its escapes taken away."""
    written = body_text(message_of(sentence, word), markup, most=100_000, titled=True)
    for seen in (written, html.unescape(written), written.replace("\\", "")):
        rest = seen.replace(URL, "")
        assert not re.search(r"[\w+.-]://", rest)
        assert not re.search(r"\bwww\.|\b(?:mailto|javascript|data):", rest, re.IGNORECASE)
        assert not re.search(r"@(?!\u200b|\s|sha256:|sha512:)", rest)
    for hidden in written.replace("@\u200b", "").replace("\u00a0", "").replace("\n", ""):
        assert hidden.isprintable()


@pytest.mark.parametrize("markup", [UNBRACKETED, MARKDOWN, TEAMS, SLACK, GOOGLE_CHAT])
@given(sentence=TEXTS, word=TEXTS)
def test_nothing_stands_between_brackets(markup: Markup, sentence: str, word: str) -> None:
    """Chats look there for mentions, `<!channel>` or `<users/all>`, whatever else is escaped."""
    written = body_text(message_of(sentence, word), markup, most=100_000).replace(f"<{URL}|verdict>", "")
    assert not re.search(r"<[^>]*(?<!\\)>", written)


@pytest.mark.parametrize("markup", MARKUPS.values(), ids=MARKUPS)
@given(sentence=TEXTS, word=TEXTS)
def test_a_text_has_as_many_lines_as_it_was_given(markup: Markup, sentence: str, word: str) -> None:
    """A name cannot write a line of its own, that another image failed, say."""

    def lines(*texts: str) -> int:
        return body_text(message_of(*texts), markup, most=100_000).count(markup.line_end.strip(" "))

    assert lines(sentence, word) == lines("x", "x")


class Read(HTMLParser):
    """The elements and the text of a body."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.targets: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.targets += [value for key, value in attrs if key == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)


@pytest.mark.parametrize("markup", [HTML, CHAT_HTML, TELEGRAM])
@given(sentence=TEXTS, word=TEXTS)
def test_html_has_our_elements_and_no_others(markup: Markup, sentence: str, word: str) -> None:
    """As a parser reads it; and every text is there as it was made harmless."""
    read, ordinary = Read(), Read()
    read.feed(body_text(message_of(sentence, word), markup, most=100_000))
    read.close()
    ordinary.feed(body_text(message_of("x", "x"), markup, most=100_000))
    assert read.elements == ordinary.elements
    assert read.targets == [URL]
    assert read.text.count(inert(sentence)) >= 3
    assert inert(word, keep_end=True) in read.text


def tokens(written: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable(["strikethrough", "table"]).parse(written):
        yield token
        yield from token.children or ()


@pytest.mark.parametrize("markup", [MARKDOWN, TEAMS])
@given(sentence=TEXTS, word=TEXTS)
def test_markdown_has_our_marks_and_no_others(markup: Markup, sentence: str, word: str) -> None:
    """As CommonMark reads it, with strikethrough and tables besides."""
    written = list(tokens(body_text(message_of(sentence, word), markup, most=100_000)))
    ordinary = list(tokens(body_text(message_of("x", "x"), markup, most=100_000)))
    texts = ("text", "text_special")
    shape = [token.type for token in written if token.type not in texts]
    expected = [token.type for token in ordinary if token.type not in texts]
    assert shape == expected
    assert [token.attrGet("href") for token in written if token.type == "link_open"] == [URL]


@given(sentence=TEXTS, word=TEXTS)
def test_slack_finds_only_our_link(sentence: str, word: str) -> None:
    """It reads what stands between `<` and `>`, and marks outside of code."""
    written = body_text(message_of(sentence, word), SLACK, most=100_000)
    assert re.findall(r"<[^>]*>?", written) == [f"<{URL}|verdict>"]
    assert re.sub(r"&(?:amp|lt|gt);", "", written).count("&") == 0
    outside = re.sub(r"`[^`]*`", "", written)
    assert "`" not in outside
    assert outside.count("*") == 2
    assert "~" not in outside
    assert not re.search(r"(?<![^\W_])_|_(?![^\W_])", outside)


@pytest.mark.parametrize("markup", MARKUPS.values(), ids=MARKUPS)
@given(sentence=TEXTS, word=TEXTS, most=st.integers(min_value=40, max_value=2000))
def test_a_message_fits_and_is_never_empty(markup: Markup, sentence: str, word: str, most: int) -> None:
    """Whatever there is to escape; and what is left is well-formed."""
    message = message_of(sentence, word)
    for written in (body_text(message, markup, most=most, titled=True), title_text(message, markup, most=most)):
        assert 0 < in_bytes(written) <= most
        assert "\n" not in title_text(message, markup, most=most)
        if markup in (HTML, CHAT_HTML, TELEGRAM, SLACK):
            assert not re.search(r"&(?!(?:amp|lt|gt|quot|#x27);)", written.replace(URL, ""))


@given(text=TEXTS)
def test_a_text_is_short_and_its_beginning_is_there(text: str) -> None:
    """A few characters more than allowed are those that break links and mentions."""
    shown = inert(text)
    for added in ("\u200b", "[", "]"):
        shown = shown.replace(added, "")
    assert len(shown) <= MOST_CHARACTERS
