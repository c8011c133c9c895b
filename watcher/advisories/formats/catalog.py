"""Every format by its name, and which one a document is of."""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from watcher.advisories.formats import csaf, debian_tracker, epss, kev, openvex, osv, pypa, rustsec, secdb
from watcher.advisories.record import Records
from watcher.model.first_use import known

Reader = Callable[..., Records]

READERS: Mapping[str, Reader] = {
    "csaf": csaf.read,
    "debian-tracker": debian_tracker.read,
    "epss": epss.read,
    "kev": kev.read,
    "openvex": openvex.read,
    "osv": osv.read,
    "pypa": pypa.read,
    "rustsec": rustsec.read,
    "secdb": secdb.read,
}


class _Outline(msgspec.Struct, rename={"context": "@context"}):
    """The keys by which documents in JSON differ."""

    id: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    document: Raw | UnsetType = UNSET
    packages: Raw | UnsetType = UNSET
    vulnerabilities: Raw | UnsetType = UNSET


_OUTLINE = msgspec.json.Decoder(known(_Outline))


def format_of(content: bytes, *, name: str) -> str | None:
    """By what is in it; None for a text or a YAML that is no advisory, such as a README beside them.

    JSON that has nothing of any other format is taken for OSV's, which says what is wrong with it.
    """
    suffix = name[name.rfind(".") :].lower()
    begin = content[:256].lstrip(b"\xef\xbb\xbf \r\n")
    if suffix == ".md":
        return "rustsec" if begin.startswith((b"```toml", b"+++")) else None
    if suffix in {".yaml", ".yml"}:
        return "pypa" if begin.startswith(b"id:") or b"\nid:" in content else None
    if suffix == ".csv":
        return "kev" if b"cveID" in begin else "epss"
    return None if suffix == ".toml" else _json_format(content)


def _json_format(content: bytes) -> str:
    try:
        outline = _OUTLINE.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "osv"
    if outline.id is not UNSET:
        return "osv"
    if outline.context is not UNSET:
        return "openvex"
    if outline.document is not UNSET:
        return "csaf"
    if outline.packages is not UNSET:
        return "secdb"
    if outline.vulnerabilities is not UNSET:
        return "kev"
    return "debian-tracker" if b'"releases"' in content else "osv"
