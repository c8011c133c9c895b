"""What a ticket says: why there is one, which images it is about, and what to do. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from watcher.kit.counted import counted
from watcher.model.first_use import known
from watcher.model.ticket import Ticket, TicketCause, TicketImage
from watcher.model.verdict import Action, Finding, Outcome, Verdict
from watcher.publishing.cause import Cause, cause_of
from watcher.publishing.message import Item, Line, Listing, Message, Paragraph, foreign, name, ours, strong
from watcher.publishing.verdict_message import SEVERITIES, severity_of

# So many can be read; the API lists all.
MOST_IMAGES = 100
# Longer texts are cut when they are written anyway.
MOST_TEXT = 500
_ACTIONS = {Outcome.FAIL: Action.FAIL, Outcome.WARN: Action.WARN}
CLOSED = "No image has this any more."
REOPENED = "There are images again that have this."


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a cause and the first finding of it. All but `severity` are words of others."""

    rule: str
    advisory: str = ""
    place: str = ""
    severity: str = ""
    title: str = ""
    message: str = ""
    remediation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A ticket as it is to be. `marker` is 64 hex digits by which it is found; `images` says whether any has the cause."""

    marker: str
    title: Line
    body: Message

    @property
    def revision(self) -> str:
        """Of two drafts with one revision, writing the second changes nothing."""
        return hashlib.sha256(repr((self.title, self.body)).encode()).hexdigest()


def ticket_causes(verdict: Verdict, outcomes: Iterable[Outcome]) -> Sequence[TicketCause]:
    """One for each vulnerability and rule, and for each rule and repository where it is about something else; the worst first.

    Of findings that lead to one of these outcomes, whatever the verdict's own is; none of what is excepted.
    """
    actions = {_ACTIONS[each] for each in outcomes}
    causes: dict[Cause, Finding] = {}
    for each in verdict.findings:
        if each.action in actions and each.excepted_by is None:
            causes.setdefault(cause_of(each, verdict), each)
    return [
        TicketCause(id=_marker(cause), rule=cause.rule, about=msgspec.json.encode(_about(cause, finding)).decode())
        for cause, finding in sorted(causes.items(), key=lambda each: _place(each[1]))
    ]


def undecided_rules(verdict: Verdict) -> frozenset[str]:
    """Those of which it is not known whether the image would still break them."""
    return frozenset(each.rule for each in verdict.findings if each.action is Action.UNKNOWN)


def draft(ticket: Ticket, images: Sequence[TicketImage]) -> Draft:
    """`images` are those of the ticket's that count."""
    about = msgspec.json.decode(ticket.cause.about, type=known(About))
    said = [(foreign(each),) for each in (about.title, about.message, about.remediation) if each.strip()]
    listed = tuple(Item(line=tuple(_image(each))) for each in images[:MOST_IMAGES])
    places = len({(each.registry, each.repository) for each in images})
    count = f"{counted(len(images), 'image')} of {counted(places, 'repository', 'repositories')}:" if images else CLOSED
    blocks: list[Paragraph | Listing] = [
        Paragraph(lines=(*said, (ours("Rule: "), name(about.rule)))),
        Paragraph(lines=((strong(count),),)),
    ]
    if listed:
        blocks.append(Listing(items=listed, omitted=len(images) - len(listed), noun="images"))
    kept = "Registry Watcher keeps this text up to date, and closes the ticket when no image has this any more."
    blocks.append(Paragraph(lines=((ours(kept),),)))
    return Draft(marker=ticket.cause.id, title=_title(about), body=Message(title=_title(about), blocks=tuple(blocks)))


def _about(cause: Cause, finding: Finding) -> About:
    return About(
        rule=cause.rule,
        advisory=cause.advisory,
        place=cause.place,
        severity=severity_of(finding),
        # What a rule says of a vulnerability is in the message; of other things the message may differ from image to image.
        title="" if cause.advisory else finding.title[:MOST_TEXT],
        message=finding.message[:MOST_TEXT],
        remediation=finding.remediation[:MOST_TEXT],
    )


def _place(finding: Finding) -> int:
    severity = severity_of(finding)
    return SEVERITIES.index(severity) if severity else len(SEVERITIES)


def _marker(cause: Cause) -> str:
    return hashlib.sha256(f"{cause.rule}\0{cause.advisory}\0{cause.place}".encode()).hexdigest()


def _title(about: About) -> Line:
    if about.advisory:
        severity = (ours(f" ({about.severity})"),) if about.severity else ()
        return (name(about.advisory), *severity, ours(": "), name(about.rule))
    return (name(about.rule), ours(": "), name(about.place))


def _image(image: TicketImage) -> Line:
    place = f"{image.registry}/{image.repository}"
    shown = f"{place}:{image.tags[0]}" if image.tags else place
    more = (ours(f" and {counted(len(image.tags) - 1, 'tag')} more"),) if len(image.tags) > 1 else ()
    where = (ours(", "), foreign(image.environment)) if image.environment else ()
    return (name(shown), ours(" "), name(image.digest[:19]), *more, *where)
