"""RustSec: one advisory a file, TOML before a text in Markdown.

Spec: https://github.com/rustsec/advisory-db, "Advisory Format"
"""

import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from watcher.advisories.formats.fields import BOM, SHOWN, distinct, moment_or_day, summary_of, vulnerability_id
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.formats.rustsec_requirements import RequirementError, affected_between
from watcher.advisories.record import Advisory, Affected, Malformed, Records, Vector

# The longest front matter is of 6 kB. The parser of the standard library takes quadratic time for keys with many dots, and much
# memory for tables in tables.
MAX_FRONT_MATTER = 32 * 1024

_FENCES = {"```toml": "```", "+++": "+++"}
_CRATE = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)


class _FieldError(ValueError):
    """One field is missing or of another kind."""


def read(content: bytes, *, name: str) -> Records:
    front_matter, text = _parted(content)
    try:
        document = tomllib.loads(front_matter)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, OverflowError) as error:
        yield Malformed(where=name, reason=f"not TOML: {error!s:.200}")
        return
    head = document.get("advisory")
    if not isinstance(head, dict):
        raise NotThisFormatError(f"{name}: no table [advisory]")
    try:
        # Those that are `unmaintained`, `unsound` or a `notice` tell of a crate, not of a vulnerability in it.
        if not head.get("informational"):
            yield _advisory(head, document, text)
    except (_FieldError, RequirementError) as error:
        yield Malformed(where=f"{name} {head.get('id', '')!s:.{SHOWN}}".strip(), reason=str(error))


def _parted(content: bytes) -> tuple[str, str]:
    """The front matter and the text behind it."""
    try:
        lines = content.removeprefix(BOM).decode().replace("\r\n", "\n").lstrip("\n")
    except UnicodeError as error:
        raise NotThisFormatError("not UTF-8") from error
    first, _, rest = lines.partition("\n")
    fence = _FENCES.get(first.rstrip())
    if fence is None:
        raise NotThisFormatError("no front matter in TOML")
    front_matter, end, text = rest.partition(f"\n{fence}")
    if not end:
        raise NotThisFormatError("the front matter has no end")
    if len(front_matter) > MAX_FRONT_MATTER:
        raise NotThisFormatError(f"a front matter of more than {MAX_FRONT_MATTER} characters")
    return front_matter, text


def _advisory(head: dict[str, Any], document: dict[str, Any], text: str) -> Advisory:
    identifier = vulnerability_id(_text(head, "id"))
    crate = _text(head, "package")
    if not identifier or not _CRATE.fullmatch(crate):
        raise _FieldError("no id, or no package that could be a crate")
    versions = document.get("versions", {})
    if not isinstance(versions, dict):
        raise _FieldError("`versions` is no table")
    safe = [*_texts(versions, "patched"), *_texts(versions, "unaffected")]
    cvss = _text(head, "cvss", "")
    published = _day(head.get("date"))
    return Advisory(
        id=identifier,
        aliases=distinct(map(vulnerability_id, _texts(head, "aliases"))),
        summary=summary_of(_title(text) or _text(head, "title", "")),
        published=published,
        modified=published,
        withdrawn="withdrawn" in head or head.get("obsolete") is True,
        vectors=(Vector(source="RustSec", text=cvss),) if cvss else (),
        affected=(Affected(ecosystem="crates.io", package=crate, intervals=affected_between(safe)),),
        links=distinct([f"https://rustsec.org/advisories/{identifier}.html", _text(head, "url", "")]),
    )


def _title(text: str) -> str:
    """The first heading of the text."""
    for line in text.split("\n"):
        if line.startswith("# "):
            return line[2:].strip()
    return ""


def _text(table: dict[str, Any], key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise _FieldError(f"`{key}` is missing" if value is None else f"`{key}` is no text")
    return value


def _texts(table: dict[str, Any], key: str) -> Sequence[str]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _FieldError(f"`{key}` is no list of texts")
    return values


def _day(value: object) -> datetime | None:
    """TOML has times and days of its own; most advisories write a day as text."""
    return moment_or_day(value.isoformat() if isinstance(value, date) else value) if isinstance(value, date | str) else None
