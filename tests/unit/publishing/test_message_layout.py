import pytest

from watcher.publishing.message import Item, Line, Link, Listing, Message, Paragraph, foreign, name, ours, strong
from watcher.publishing.message_layout import body_text, title_text
from watcher.publishing.message_markup import CHAT_HTML, HTML, MARKDOWN, PLAIN, SLACK, TEAMS, Markup

# What will be told of many images at once, and what knows nothing of verdicts.
SUMMARY = Message(
    title=(ours("fail: "), foreign("CVE-2026-1"), ours(" in 214 images")),
    blocks=(
        Paragraph(lines=((strong("214 images"), ours(" of 9 owners")), (ours("since "), foreign("yesterday")))),
        Listing(
            items=tuple(
                Item(
                    line=(name(f"registry.example.com/team/app:{number}"),),
                    details=((ours("fixed in "), foreign("*2*")),),
                    count=2,
                )
                for number in range(5)
            ),
            omitted=204,
            noun="images",
        ),
        Paragraph(lines=((ours("that is all"),),)),
    ),
    links=(Link(label="all of them", url="https://watcher.example.com/a_(b)?c=<d>&e=|f"),),
)


def test_a_message_is_lines_in_the_order_they_were_given() -> None:
    """As plain text: paragraphs, a list with what is said of each entry, links."""
    assert title_text(SUMMARY, most=100) == "fail: CVE-2026-1 in 214 images"
    assert body_text(SUMMARY, PLAIN, most=2000).splitlines() == [
        "214 images of 9 owners",
        "since yesterday",
        "",
        *(line for number in range(5) for line in (f"- registry.example.com/team/app:{number}", "  fixed in *2*")),
        "- … and 204 more images",
        "",
        "that is all",
        "",
        "all of them: https://watcher.example.com/a_%28b%29?c=%3Cd%3E&e=%7Cf",
    ]


@pytest.mark.parametrize(
    ("markup", "entry", "detail", "link"),
    [
        (MARKDOWN, "- `registry.example.com/team/app:0`", "fixed in \\*2\\*", "[all of them](https://"),
        (TEAMS, "- registry.example.com/team/app:0", "fixed in \\*2\\*", "[all of them](https://"),
        (
            SLACK,
            "• `registry.example.com/team/app:0`",
            "fixed in \N{ASTERISK OPERATOR}2\N{ASTERISK OPERATOR}",
            "<https://watcher.example.com/a_%28b%29?c=%3Cd%3E&amp;e=",
        ),
        (HTML, "• <span ", "fixed in *2*", 'all of them: <a href="https://watcher.example.com/a_%28b%29?c=%3Cd%3E&amp;e='),
        (CHAT_HTML, "• <code>registry.example.com/team/app:0</code>", "fixed in *2*", '">all of them</a>'),
    ],
)
def test_each_channel_has_its_markup(markup: Markup, entry: str, detail: str, link: str) -> None:
    """Names, texts and links, the same in each."""
    text = body_text(SUMMARY, markup, most=5000)
    assert entry in text
    assert detail in text
    assert link in text


@pytest.mark.parametrize("markup", [PLAIN, MARKDOWN, TEAMS, SLACK, HTML, CHAT_HTML])
@pytest.mark.parametrize("titled", [True, False])
def test_a_message_is_never_longer_than_its_channel_takes(markup: Markup, titled: bool) -> None:
    """Whatever the limit, there is something; and what is left out of a list is counted."""
    for most in range(20, 1200, 7):
        text = body_text(SUMMARY, markup, most=most, titled=titled)
        assert 0 < len(text) <= most
        listed, left = text.count("registry.example.com/team/app:"), [int(word) for word in text.split() if word.isdigit()]
        assert "more images" not in text or 204 + 2 * (5 - listed) in left


def test_what_matters_least_goes_first() -> None:
    """Details, then what stands below lists, then entries; the links stay as long as there is room for them."""
    whole = len(body_text(SUMMARY, PLAIN, most=2000))
    shorter = body_text(SUMMARY, PLAIN, most=whole - 1)
    assert shorter.count("fixed in") == 4
    assert "that is all" in shorter
    fewer = body_text(SUMMARY, PLAIN, most=300)
    assert "that is all" not in fewer
    assert "… and 206 more images" in fewer
    assert body_text(SUMMARY, PLAIN, most=80).startswith("all of them: https://")
    assert body_text(SUMMARY, PLAIN, most=35) == "fail: CVE-2026-1 in 214 images"


def test_a_message_with_nothing_below_its_title_says_it_again() -> None:
    """An empty body is refused by most channels."""
    assert body_text(Message(title=(ours("all is well"),)), PLAIN, most=100) == "all is well"


@pytest.mark.parametrize("markup", [PLAIN, MARKDOWN, SLACK, HTML])
def test_a_title_is_cut_before_it_is_escaped(markup: Markup) -> None:
    """A name loses its middle first; no half of an escape stays."""
    title: Line = (ours("fail: "), name("registry.example.com/" + "<&>*_" * 30 + ":v1"), ours(" (production)"))
    for most in range(4, 300):
        text = title_text(Message(title=title), markup, most=most)
        assert 0 < len(text) <= most
        assert not text.endswith("\\") or text.endswith("\\\\")
        assert text.count("&") == text.count(";") or markup in (PLAIN, MARKDOWN)
    assert title_text(Message(title=title), PLAIN, most=80).endswith(":v1 (production)")
