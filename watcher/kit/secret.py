"""Secrets: references in configuration, values in a type that does not print."""

import hmac
import os
from typing import Annotated

import msgspec

from watcher.kit.regular_files import read_regular
from watcher.model.errors import ConfigurationError

SecretReference = Annotated[
    str, msgspec.Meta(pattern=r"^(env|file):.+$", description="where a secret is kept: env:NAME or file:PATH")
]

# The same, of what is said in a header or at the end of a URL.
SpokenSecretReference = Annotated[SecretReference, msgspec.Meta(extra={"spoken": True})]


class Secret:
    """A value that never shows itself: not in `repr`, not in a log, not in an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one call that needs it."""
        return self._value

    def matches(self, candidate: str) -> bool:
        """Compare in constant time, on bytes, so that any text is allowed."""
        return hmac.compare_digest(self._value.encode(), candidate.encode("utf-8", "surrogateescape"))

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


def resolve(reference: str) -> Secret:
    """Read the secret that `env:NAME` or `file:PATH` names; one trailing newline of a file is dropped.

    A FIFO is refused, as of a shell's `<(…)`: what is configured is read several times, and it could be only once.

    Raises:
        ConfigurationError: unset, unreadable, no text or empty.
    """
    kind, _, where = reference.partition(":")
    if kind == "env":
        value = os.environ.get(where, "")
        if not value:
            what = "empty" if where in os.environ else "not set"
            raise ConfigurationError(f"environment variable {where} is {what}; {reference} needs it")
        return Secret(value)
    try:
        value = read_regular(where).decode("utf-8").removesuffix("\n")
    except OSError as error:
        raise ConfigurationError(f"{reference}: cannot be read: {error.strerror}") from error
    except ValueError:
        # The cause is left out: it holds what was read.
        raise ConfigurationError(f"{reference}: cannot be read: not text in UTF-8") from None
    if not value:
        raise ConfigurationError(f"{reference}: the file is empty")
    return Secret(value)
