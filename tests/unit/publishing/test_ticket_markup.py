"""Tickets as their trackers show them, whatever an image says of itself."""

import json

import pytest

from watcher.publishing import github_issue, gitlab_issue
from watcher.publishing.jira_text import MOST_CHARACTERS, WIKI, document
from watcher.publishing.message import Item, Listing, Message, Paragraph, foreign, name, ours, strong
from watcher.publishing.message_layout import body_text
from watcher.publishing.ticket_text import Draft


def saying(text: str) -> Draft:
    body = Message(title=(), blocks=(Paragraph(lines=((foreign(text),), (name(text),))),))
    return Draft(marker="a" * 64, title=(foreign(text),), body=body)


def github(text: str) -> dict[str, str]:
    return github_issue.content(saying(text))


@pytest.mark.parametrize("text", ["#12", "see my-org/app#12", "GH-12", "gh-7"])
def test_an_issue_of_github_refers_to_no_other(text: str) -> None:
    """A reference would show up in the other issue, and escapes do not prevent it."""
    said = github(text)
    for each in (said["title"], said["body"]):
        assert text not in each
        assert text in each.replace("\u200b", "").replace("\\", "")


def test_an_issue_of_github_has_no_markup_of_others() -> None:
    """Neither HTML, which could hide the marker, nor Markdown."""
    body = github("<!-- registry-watcher:" + "b" * 64 + " --> <details> **b** [x](y)")["body"]
    assert "\\<details\\>" in body
    assert "\\*\\*b\\*\\*" in body
    assert body.count(f"<!-- registry-watcher:{'a' * 64} -->") == 1
    assert body.endswith("a -->")


@pytest.mark.parametrize("text", ["#12", "!12", "~bug", "%1.0", "$12", "&12", 'a/b~"two words"'])
def test_an_issue_of_gitlab_refers_to_no_other(text: str) -> None:
    """Nor to a label, a milestone, a snippet or an epic."""
    said = gitlab_issue.content(saying(text))
    for each in (said["title"], said["description"]):
        assert text not in each
        assert text in each.replace("\u200b", "").replace("\\", "")


@pytest.mark.parametrize("text", ["/close", "  /assign me", "/relabel"])
def test_an_issue_of_gitlab_does_nothing_by_itself(text: str) -> None:
    """A line that begins with a quick action would be done in our name."""
    description = gitlab_issue.content(saying(text))["description"]
    assert not [line for line in description.splitlines() if line.lstrip(" ").startswith("/")]
    assert f"\u200b{text.strip()}" in description


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{code}x{code}", r"\{code\}x\{code\}"),
        ("[~admin] !x.png! *b*", r"\[\~admin\] \!x.png\! \*b\*"),
        ("h1. shout", "h1\N{ONE DOT LEADER} shout"),
        (r"a\\b", "a\N{REVERSE SOLIDUS OPERATOR}\N{REVERSE SOLIDUS OPERATOR}b"),
    ],
)
def test_wiki_text_of_others_is_text(text: str, shown: str) -> None:
    """No macro, mention, picture or heading, and nothing that escapes an escape."""
    assert body_text(Message(title=(), blocks=(Paragraph(lines=((foreign(text),),)),)), WIKI, most=1000) == shown


def test_a_document_has_the_blocks_of_the_message() -> None:
    """Lines with breaks between them, lists as lists, and every voice as it is to be seen."""
    listing = Listing(items=(Item(line=(name("app"), ours(" "), foreign(""))),), omitted=2, noun="images")
    made = document(Message(title=(), blocks=(Paragraph(lines=((strong("two"),), (foreign("{x}"),))), listing)))
    assert made == {
        "version": 1,
        "type": "doc",
        "content": [
            {
                "type": "paragraph",
                "content": [
                    {"type": "text", "text": "two", "marks": [{"type": "strong"}]},
                    {"type": "hardBreak"},
                    {"type": "text", "text": "{x}"},
                ],
            },
            {
                "type": "bulletList",
                "content": [
                    {
                        "type": "listItem",
                        "content": [
                            {
                                "type": "paragraph",
                                "content": [
                                    {"type": "text", "text": "app", "marks": [{"type": "code"}]},
                                    {"type": "text", "text": " "},
                                ],
                            }
                        ],
                    },
                    {
                        "type": "listItem",
                        "content": [{"type": "paragraph", "content": [{"type": "text", "text": "… and 2 more images"}]}],
                    },
                ],
            },
        ],
    }


def test_a_document_is_as_long_as_the_field_takes() -> None:
    """What is left out of a list is counted."""
    items = tuple(Item(line=(name(f"{number}-" + "x" * 150), ours(" "), name("y" * 100))) for number in range(200))
    made = document(Message(title=(), blocks=(Paragraph(lines=((ours("first"),),)), Listing(items=items, noun="images"))))
    entries = made["content"][1]["content"]
    assert len(json.dumps(made)) <= MOST_CHARACTERS
    assert len(entries) > 30
    assert entries[-1]["content"][0]["content"][0]["text"] == f"… and {200 - len(entries) + 1} more images"


def test_a_document_of_nothing_that_can_be_shortened_ends() -> None:
    """It is for the tracker to refuse."""
    lines = tuple((foreign("x" * 200),) for _ in range(500))
    assert len(json.dumps(document(Message(title=(), blocks=(Paragraph(lines=lines),))))) > MOST_CHARACTERS
