"""Several sources of credentials, asked in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from watcher.registry.credentials import Credentials, CredentialSource


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOf:
    """The first of several that has something for the registry; what earlier ones have for some repositories goes before that."""

    sources: Sequence[CredentialSource]

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        narrower: dict[str, Credentials] = {}
        for source in self.sources:
            found = await source.fetch()
            if found is None:
                continue
            narrower = {**found.narrower, **narrower}
            if found.are_for_all:
                return replace(found, narrower=narrower)
        return Credentials(narrower=narrower) if narrower else None
