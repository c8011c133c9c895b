"""How each kind of channel writes a text, a name, something strong and a link. Pure.

Whatever a text holds, it is a text when it is shown: markup in it is escaped where a channel knows escapes, and written with
characters that look alike where it knows none.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

# Looks like a backtick, and ends no code.
GRAVE = "\N{MODIFIER LETTER GRAVE ACCENT}"
# One within a word is no mark, as in the names of files.
_UNDERSCORE = r"(?<![^\W_])_|_(?![^\W_])"
# Brackets that begin no mention, whatever a service makes of the usual ones.
_BRACKETS_ALIKE = str.maketrans(
    {"<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"}
)
# As `quote` takes them: everything that an address is made of, but for what ends one in Markdown or Slack.
_ADDRESS = ":/?#[]@!$&',;=%+-._~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """`text` and `name` take any text, `strong` what `text` made, `link` a label of ours and an address.

    `line_end` ends a line within a block, `gap` a block. Details stand behind `indent`.
    """

    text: Callable[[str], str]
    name: Callable[[str], str]
    strong: Callable[[str], str]
    link: Callable[[str, str], str]
    bullet: str
    indent: str
    line_end: str
    gap: str


def _same(text: str) -> str:
    return text


def address(url: str) -> str:
    """An address that is one in every markup."""
    return quote(url, safe=_ADDRESS)


# --- Markdown: CommonMark, as far as chats know it ---

_MARKDOWN_ACTIVE = re.compile(rf"[\\`*\[\]<>#|~&]|{_UNDERSCORE}")
# A list or a heading, if it begins a line.
_MARKDOWN_OPENING = re.compile(r"^(\s*)(?:([-+=])|(\d{1,9})([.)]))")


def _markdown_text(text: str) -> str:
    escaped = _MARKDOWN_ACTIVE.sub(lambda found: "\\" + found[0], text)
    return _MARKDOWN_OPENING.sub(lambda found: f"{found[1]}{found[3] or ''}\\{found[2] or found[4]}", escaped)


def _fenced(text: str) -> str:
    """Between backticks, where nothing has a meaning but a backtick, which has no escape there."""
    return f"`{text.replace('`', GRAVE)}`" if text.strip() else ""


def _unbracketed_name(text: str) -> str:
    """Some look for `<!channel>` or `<users/all>` before they look for code."""
    return _fenced(text.translate(_BRACKETS_ALIKE))


# --- Slack's mrkdwn ---

# It has escapes for `&<>` alone; what else is markup becomes what looks like it.
_SLACK_ALIKE = str.maketrans({"*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}", "`": GRAVE})


def _slack_escaped(text: str) -> str:
    return html.escape(text, quote=False)


def _without_marks(text: str) -> str:
    return re.sub(_UNDERSCORE, "\N{MODIFIER LETTER LOW MACRON}", text.translate(_SLACK_ALIKE))


def _slack_text(text: str) -> str:
    return _slack_escaped(_without_marks(text))


# --- Google Chat: as Slack, but without any escapes ---


def _google_text(text: str) -> str:
    return _without_marks(text.translate(_BRACKETS_ALIKE))


PLAIN = Markup(
    text=_same,
    name=_same,
    strong=_same,
    link=lambda label, url: f"{label}: {address(url)}",
    bullet="- ",
    indent="  ",
    line_end="\n",
    gap="\n\n",
)
# For apprise to make Markdown of, in a dialect: it leaves these as they are in some.
UNBRACKETED = replace(PLAIN, text=lambda text: text.translate(_BRACKETS_ALIKE), name=lambda text: text.translate(_BRACKETS_ALIKE))
MARKDOWN = Markup(
    text=_markdown_text,
    name=_unbracketed_name,
    strong=lambda text: f"**{text}**",
    link=lambda label, url: f"[{_markdown_text(label)}]({address(url)})",
    bullet="- ",
    indent="  ",
    line_end="  \n",  # a break in CommonMark, where the end of a line alone is none
    gap="\n\n",
)
# A card of Teams shows the end of a line as a space, whatever is before it, and knows no code: what is between backticks is read.
TEAMS = replace(MARKDOWN, name=_markdown_text, line_end="\n\n")
SLACK = Markup(
    text=_slack_text,
    name=lambda text: _slack_escaped(_fenced(text)),
    strong=lambda text: f"*{text}*",
    link=lambda label, url: f"<{_slack_escaped(address(url))}|{_slack_text(label)}>",
    bullet="• ",
    indent="    ",
    line_end="\n",
    gap="\n\n",
)
GOOGLE_CHAT = replace(
    SLACK,
    text=_google_text,
    name=_unbracketed_name,
    link=lambda label, url: f"<{address(url)}|{_google_text(label)}>",
)
# Only what mail and Matrix all know: no lists, no paragraphs. A mail has a form without markup as well, which apprise
# makes of this one: addresses have to stand in the text, and <code> would stand on a line of its own.
HTML = Markup(
    text=html.escape,
    name=lambda text: f'<span style="font-family:monospace">{html.escape(text)}</span>',
    strong=lambda text: f"<b>{text}</b>",
    link=lambda label, url: f'{html.escape(label)}: <a href="{html.escape(address(url))}">{html.escape(address(url))}</a>',
    bullet="• ",
    indent="\u00a0\u00a0\u00a0",
    line_end="<br/>",
    gap="<br/><br/>",
)
# Matrix.
CHAT_HTML = replace(
    HTML,
    name=lambda text: f"<code>{html.escape(text)}</code>",
    link=lambda label, url: f'<a href="{html.escape(address(url))}">{html.escape(label)}</a>',
)
TELEGRAM = replace(CHAT_HTML, line_end="\n", gap="\n\n")
