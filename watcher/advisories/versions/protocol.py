"""What the order of an ecosystem's versions is: a function from a version to a key that compares as the versions do."""

from collections.abc import Callable
from functools import lru_cache

from watcher.model.errors import PermanentError

# The longest version that anybody publishes is a tenth of it, and Maven itself refuses more than 256; whoever writes more wants to
# see what it costs us.
LIMIT_CHARACTERS = 1024

# Compares with keys of the same ecosystem and no others. Equal keys are versions that the ecosystem holds for the same, however
# they are written.
Key = tuple[object, ...]
Order = Callable[[str], Key]


class VersionError(PermanentError):
    """A text that is no version of its ecosystem, so that nothing comes before it or after it.

    Whoever asked cannot compare, and says so: it is never a reason to hold a package for unaffected.
    """

    reason = "invalid-version"


def refusal(scheme: str, version: str) -> VersionError:
    """The error for a version that `scheme` has no place for; long ones are cut."""
    return VersionError(f"{scheme}: {version[:80]!r} is no version")


@lru_cache(maxsize=2048)  # nearly all numbers in versions are small and have been met before
def number(digits: str) -> str:
    """A run of ASCII digits as a text that compares as the number does.

    The text begins with a character beyond U+00FF, so that it comes after any ASCII text. No arithmetic: what is read into a number
    of a thousand digits is slow.
    """
    significant = digits.lstrip("0")
    return f"{chr(0x100 + len(significant))}{significant}"
