"""Several sources of credentials, asked in turn."""

from collections.abc import Sequence
from dataclasses import dataclass

from watcher.registry.credentials import Credentials, CredentialSource


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOf:
    """The first of several that has something."""

    sources: Sequence[CredentialSource]

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        for source in self.sources:
            found = await source.fetch()
            if found is not None:
                return found
        return None
