"""Which markup a service of apprise shows, and how much of it. A part of `notify.py`.

Apprise converts between plain text, Markdown and HTML; what it makes of plain text is what services get that are not named here.
For the others we write what arrives: declared as nothing, apprise hands it on as it is.
"""

import hashlib
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.publishing.message import Level, Message
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

if TYPE_CHECKING:
    from apprise import NotifyFormat

# Services by their schemas. These show Markdown, whatever apprise calls it.
_MARKDOWN = frozenset(("discord", "mmosts", "rockets", "zulip", "wxteams", "guilded", "revolt"))
_GOOGLE_CHAT, _MAIL, _MATRIX, _OPSGENIE = "gchat", "mailtos", "matrixs", "opsgenie"
_PAGERDUTY, _SLACK, _TEAMS, _TELEGRAM, _ZULIP = "pagerduty", "slack", "workflows", "tgram", "zulip"
# A section of Slack's blocks, and a header: longer ones are refused.
_SLACK_BODY, _SLACK_TITLE = 3000, 150
# Apprise allows a card of Teams a thousand characters; Microsoft allows 28 KB with everything around them.
_TEAMS_BODY = 8000
_TYPES = {Level.BAD: "failure", Level.DOUBTFUL: "warning", Level.GOOD: "success", Level.NEUTRAL: "info"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How to write for one service. `declared` is what apprise is told the body is: None keeps it from changing anything.

    `title` None: the service has no titles, so that it is the first line of the body. `length` is how long the service will find
    a body, after whatever apprise makes of it, `title_length` a title.
    """

    body: Markup
    title: Markup | None
    declared: "NotifyFormat | None"
    most_body: int
    most_title: int
    length: Callable[[str], int] = in_bytes
    title_length: Callable[[str], int] = in_bytes

    def written(self, message: Message) -> Mapping[str, Any]:
        """The arguments of apprise's `notify`."""
        return {
            "title": title_text(message, self.title, most=self.most_title, length=self.title_length) if self.title else "",
            "body": body_text(message, self.body, most=self.most_body, titled=self.title is None, length=self.length),
            "body_format": self.declared,
            "notify_type": _TYPES[message.level],
        }


def incident_of(service: Any, message: Message) -> None:
    """Tell a service that keeps incidents which one the next message is about, so that one that is over is closed.

    Unless its URL says by which key, or what is to be done with every message.
    """
    schemas = _schemas(service)
    key = hashlib.sha256(message.about.encode()).hexdigest() if message.about else None
    if _PAGERDUTY in schemas:
        service.dedup = key
    elif _OPSGENIE in schemas:
        service.alias = key


def keeps_incidents(service: Any) -> bool:
    """Whether `incident_of` is to be asked. One of PagerDuty's is told that good news end an incident and begin none."""
    schemas = _schemas(service)
    if _PAGERDUTY in schemas and service.dedup is None and service.action in ("trigger", "map"):
        service.action = "map"
        return True
    return _OPSGENIE in schemas and service.alias is None


def is_mail(service: Any) -> bool:
    """Whether it is sent by SMTP, whose answers are not those of HTTP."""
    return _MAIL in _schemas(service)


def channel_of(service: Any) -> Channel:
    """`service` is a plugin of apprise. One of Slack's is told to use blocks, where apprise reads nothing into a text."""
    schemas, unasked = _schemas(service), service.resolve_format(None)
    title = PLAIN if service.title_maxlen > 0 else None
    most_body, most_title = int(service.body_maxlen), int(service.title_maxlen)
    if _SLACK in schemas and service.mode in ("hook", "gov-hook", "bot") and not service.template:
        service.use_blocks = True
        if unasked == "markdown":
            return Channel(
                body=SLACK,
                title=PLAIN,
                declared=None,
                most_body=_SLACK_BODY,
                most_title=_SLACK_TITLE,
                title_length=lambda text: in_bytes(html.escape(text, quote=False)),  # which apprise does to it
            )
        return _declared(PLAIN, "text", service, title=PLAIN, most_body=_SLACK_BODY, most_title=_SLACK_TITLE)
    if _GOOGLE_CHAT in schemas and unasked == "markdown":
        return Channel(body=GOOGLE_CHAT, title=None, declared=None, most_body=most_body, most_title=0)
    if _TELEGRAM in schemas and unasked == "html":
        return Channel(body=TELEGRAM, title=None, declared=None, most_body=most_body, most_title=0)
    if _TEAMS in schemas and unasked == "markdown":
        return Channel(body=TEAMS, title=TEAMS, declared=None, most_body=_TEAMS_BODY, most_title=most_title)
    if schemas & _MARKDOWN:
        # A title is no more than a first line to them, but for Zulip, where it is the topic.
        topic = title if _ZULIP in schemas else None
        return Channel(body=MARKDOWN, title=topic, declared=None, most_body=most_body, most_title=most_title)
    if unasked == "html":
        body = CHAT_HTML if _MATRIX in schemas else HTML
        return _declared(body, "html", service, title=title, most_body=most_body, most_title=most_title)
    body = PLAIN if unasked == "text" else UNBRACKETED
    return _declared(body, "text", service, title=title, most_body=most_body, most_title=most_title)


def _schemas(service: Any) -> frozenset[str]:
    """What its URLs may begin with. Of the one that it was made of, some plugins remember only that it was HTTP."""
    return frozenset(
        schema
        for schemas in (service.protocol, service.secure_protocol)
        for schema in ((schemas,) if isinstance(schemas, str) else schemas or ())
    )


def _declared(markup: Markup, written: str, service: Any, *, title: Markup | None, most_body: int, most_title: int) -> Channel:
    """Apprise is told what is written, and converts it; escapes make it longer, and what is too long is told to nobody."""
    from apprise import NotifyFormat
    from apprise.conversion import convert_between

    declared = NotifyFormat(written)
    target = service.resolve_format(declared)

    def length(text: str) -> int:
        converted = convert_between(declared, target, text)  # type: ignore[no-untyped-call]  # apprise's own
        return in_bytes(service.dialect_convert(converted, target))

    return Channel(body=markup, title=title, declared=declared, most_body=most_body, most_title=most_title, length=length)
