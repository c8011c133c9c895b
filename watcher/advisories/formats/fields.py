"""What every format does with what it finds: documents decoded, ids recognised, texts cut, days placed. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Malformed
from watcher.model.first_use import known
from watcher.model.moments import moment_of

T = TypeVar("T")

# UTF-8's byte order mark, which spreadsheets and PowerShell put before what they save.
BOM = b"\xef\xbb\xbf"
# A summary is a line of a table or of a message; some sources have pages instead.
MAX_SUMMARY = 300
# As much of somebody's text as a complaint quotes.
SHOWN = 80
# What an id of any source looks like: CVE-2024-3094, GHSA-xxxx-xxxx-xxxx, RUSTSEC-2021-0001, XSA-155, TEMP-0000000-ABCDEF.
_ID = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,39}[-_:][A-Za-z0-9][A-Za-z0-9._:+/-]{0,99}", re.ASCII)
_CVE = re.compile(r"CVE[-_](\d{4})[-_](\d{4,19})", re.ASCII | re.IGNORECASE)


def decoded(content: bytes, shape: type[T], what: str) -> T:
    """The JSON of `content` in the `shape` of a format.

    Raises:
        NotThisFormatError: another shape, not JSON, or nested deeper than the decoder goes.
    """
    try:
        return msgspec.json.decode(content.removeprefix(BOM), type=known(shape))
    except RecursionError as error:
        raise NotThisFormatError(f"{what}: nested too deep") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise NotThisFormatError(f"{what}: {error!s:.200}") from error


def entry_of(raw: msgspec.Raw, shape: type[T], where: str) -> T | Malformed:
    """One entry of a document in its `shape`; what is wrong with it costs its neighbours nothing."""
    try:
        return msgspec.json.decode(raw, type=known(shape))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Malformed(where=where, reason=f"{error!s:.200}")


def vulnerability_id(text: str) -> str:
    """An id as others write it: of CVE in upper case with hyphens. Empty where `text` is no id."""
    cve = _CVE.fullmatch(text)
    if cve:
        return f"CVE-{cve[1]}-{cve[2]}"
    return text if _ID.fullmatch(text) else ""


def is_cve(identifier: str) -> bool:
    return _CVE.fullmatch(identifier) is not None


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Without what is empty, and what has been there before."""
    return tuple(dict.fromkeys(text for text in texts if text))


def summary_of(text: str) -> str:
    """The first MAX_SUMMARY characters, on one line."""
    line = " ".join(text[: 4 * MAX_SUMMARY].split())
    return line if len(line) <= MAX_SUMMARY else f"{line[: MAX_SUMMARY - 1]}…"


def moment_or_day(text: str) -> datetime | None:
    """A time, or the beginning of a day, in UTC: a time without a zone is taken to be UTC. None for anything else."""
    moment = moment_of(text)
    if moment is not None:
        return moment
    try:
        naive = datetime.fromisoformat(text)
    except ValueError:
        return None
    return naive.replace(tzinfo=UTC) if naive.tzinfo is None else None
