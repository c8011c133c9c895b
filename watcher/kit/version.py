"""The version of this program, as its distribution says, and what it was built from."""

import os
from importlib.metadata import Distribution, PackageNotFoundError

import msgspec


def revision_of(distribution: Distribution | None) -> str:
    """The commit: of the container image as its Dockerfile was told, of what pip took from git as it wrote down (PEP 610)."""
    told = os.environ.get("WATCHER_REVISION", "")
    if told or distribution is None:
        return told[:64]
    try:
        origin = msgspec.json.decode(distribution.read_text("direct_url.json") or "{}")
        return str(origin["vcs_info"]["commit_id"])[:64]
    except (msgspec.MsgspecError, LookupError, TypeError):
        return ""


try:
    _DISTRIBUTION: Distribution | None = Distribution.from_name("registry-watcher")
except PackageNotFoundError:  # a source tree that was never installed
    _DISTRIBUTION = None
VERSION = _DISTRIBUTION.version if _DISTRIBUTION else "0.0.0"
# Empty where nobody said so.
REVISION = revision_of(_DISTRIBUTION)
