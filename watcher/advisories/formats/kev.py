"""CISA's catalogue of known exploited vulnerabilities, as JSON and as CSV.

Spec: https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities_schema.json
"""

import csv
import io
from collections.abc import Iterable

import msgspec

from watcher.advisories.formats.fields import BOM, SHOWN, decoded, entry_of, is_cve, moment_or_day, vulnerability_id
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Exploited, Malformed, Records
from watcher.kit.counted import counted


class _Catalogue(msgspec.Struct, frozen=True):
    vulnerabilities: list[msgspec.Raw]


class _Entry(msgspec.Struct, frozen=True, rename={"cve": "cveID", "added": "dateAdded"}):
    cve: str
    added: str = ""


def read(content: bytes, *, name: str) -> Records:
    text = content.removeprefix(BOM).lstrip()
    if not text.startswith(b"{"):
        yield from _rows(text, name)
        return
    for index, raw in enumerate(decoded(text, _Catalogue, name).vulnerabilities):
        where = f"{name} vulnerabilities[{index}]"
        entry = entry_of(raw, _Entry, where)
        yield entry if isinstance(entry, Malformed) else _record(where, entry.cve, entry.added)


def _rows(text: bytes, name: str) -> Records:
    try:
        lines: Iterable[str] = io.StringIO(text.decode(), newline="")
        rows = csv.reader(lines)
        columns = next(rows, [])
        cve, added = columns.index("cveID"), columns.index("dateAdded")
    except (UnicodeError, csv.Error, ValueError) as error:
        raise NotThisFormatError(f"{name}: no CSV with columns cveID and dateAdded") from error
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Malformed(where=f"{name} line {rows.line_num}", reason=f"{error!s:.200}")
            continue
        if row is None:
            return
        where = f"{name} line {rows.line_num}"
        if len(row) == len(columns):
            yield _record(where, row[cve], row[added])
        elif row:
            yield Malformed(where=where, reason=f"{counted(len(row), 'field')}, expected {len(columns)}")


def _record(where: str, cve: str, added: str) -> Exploited | Malformed:
    if not is_cve(cve):
        return Malformed(where=where, reason=f"{cve[:SHOWN]!r} is no CVE id")
    return Exploited(id=vulnerability_id(cve), added=moment_or_day(added))
