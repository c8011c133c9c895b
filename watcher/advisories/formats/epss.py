"""EPSS: how probable it is that a vulnerability is exploited; a CSV of a day, mostly compressed.

Spec: https://www.first.org/epss/data_stats
"""

import zlib

from watcher.advisories.formats.fields import BOM, SHOWN, is_cve
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Likelihood, Malformed, Records

GZIP = b"\x1f\x8b"
# 340,000 vulnerabilities are 12 MB.
MAX_BYTES = 256 * 1024 * 1024
HEADER = "cve,epss"


def read(content: bytes, *, name: str) -> Records:
    try:
        text = (_unpacked(content, name) if content.startswith(GZIP) else content).removeprefix(BOM).decode()
    except UnicodeError as error:
        raise NotThisFormatError(f"{name}: not UTF-8") from error
    number, begin = 0, 0
    headed = False
    while begin < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        line = text[begin:end].strip()
        number, begin = number + 1, end + 1
        if not line or line.startswith("#"):
            continue
        if headed:
            yield _record(line, f"{name} line {number}")
        elif line.startswith(HEADER):
            headed = True
        else:
            break
    if not headed:
        raise NotThisFormatError(f"{name}: no CSV that begins with the columns cve and epss")


def _record(line: str, where: str) -> Likelihood | Malformed:
    cve, _, rest = line.partition(",")
    try:
        probability = float(rest.partition(",")[0])
    except ValueError:
        probability = -1.0
    if not is_cve(cve):
        return Malformed(where=where, reason=f"{cve[:SHOWN]!r} is no CVE id")
    if not 0 <= probability <= 1:
        return Malformed(where=where, reason=f"{rest[:SHOWN]!r} has no probability")
    return Likelihood(id=cve.upper(), probability=probability)


def _unpacked(content: bytes, name: str) -> bytes:
    """The whole text: what was cut short would be data that look complete and are not."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise NotThisFormatError(f"{name}: damaged gzip: {error!s:.80}") from error
    if not unpacker.eof:
        more = bool(unpacker.unconsumed_tail)
        raise NotThisFormatError(f"{name}: " + (f"more than {MAX_BYTES} bytes" if more else "the gzip stream is cut short"))
    return text
