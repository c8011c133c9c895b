"""Which feed a record belongs to: what is published together, and grows old together."""

from pathlib import PurePath

from watcher.advisories.documents import Document
from watcher.advisories.ecosystems import family
from watcher.advisories.formats.secdb import repository_of
from watcher.advisories.record import Advisory, Exploited, Likelihood, Statement

# The repositories that the packages of an Alpine image are from. The packages themselves do not say which.
ALPINE_REPOSITORIES = ("community", "main")
_SECDB = "secdb"


def list_of(kind: str, document: Document) -> str:
    """The feed that a document of this format is all of; empty where a document is a part of one.

    Raises:
        NotThisFormatError: it is not of that format.
    """
    if kind in {"debian-tracker", "kev", "epss"}:
        return kind
    return f"{_SECDB}:{repository_of(document.content, name=document.name)}" if kind == _SECDB else ""


def feed_of(kind: str, document: Document, record: Advisory | Exploited | Likelihood | Statement) -> str:
    """The feed of a record whose document is a part of one."""
    if isinstance(record, Statement):
        return f"vex:{record.document or PurePath(document.name).name}"
    if kind != "osv" or not isinstance(record, Advisory):
        return kind
    # The list that it would be published in is that of its first ecosystem.
    return f"osv:{family(record.affected[0].ecosystem)}" if record.affected else "osv:"


def is_about_one(record: Advisory | Exploited | Likelihood | Statement) -> bool:
    """Whether it is an advisory about packages of a single family of ecosystems."""
    return isinstance(record, Advisory) and len({family(each.ecosystem) for each in record.affected}) == 1


def covered_by(feed: str) -> str | None:
    """What a feed is everything of; empty for nothing, None where its records show it."""
    if feed == "debian-tracker":
        return "Debian"
    if feed.startswith(f"{_SECDB}:"):
        return feed.removeprefix(f"{_SECDB}:").partition("/")[0]
    return "" if feed in {"kev", "epss"} else None


def counterparts(feed: str) -> tuple[str, ...]:
    """The feeds without which this one is not everything of what it covers."""
    ecosystem, _, repository = feed.partition("/")
    if not feed.startswith(f"{_SECDB}:Alpine:"):
        return ()
    return tuple(f"{ecosystem}/{other}" for other in ALPINE_REPOSITORIES if other != repository)
