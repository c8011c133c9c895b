"""Credentials from docker's configuration, or from the program that it names."""

from pathlib import Path

import structlog

from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host
from watcher.registry.aside import Aside
from watcher.registry.credentials import Credentials
from watcher.registry.docker_config import default_path, read_docker_config
from watcher.registry.docker_helper import PROGRAM_SECONDS, ask_helper

log = structlog.get_logger(__name__)


class DockerSource:
    """What docker would show this registry. `needed` says whether nothing is an error, or just nothing."""

    def __init__(self, registry: Host, path: str | None, *, needed: bool) -> None:
        self._registry = registry
        self._path = path
        self._needed = needed
        self._skipped = False
        # The program's own time, and a moment for a machine that is slow to start it.
        self._aside = Aside(self._look_up, name=f"docker credentials of {registry}", timeout_seconds=PROGRAM_SECONDS + 5)

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`. The file is read anew each time: somebody may have logged in."""
        return await self._aside.ask()

    def _look_up(self) -> Credentials | None:
        where = Path(self._path) if self._path else default_path()
        config = read_docker_config(where, self._registry)
        found, asked = config.credentials, "has nothing"
        if config.helper is not None:
            try:
                found, asked = ask_helper(config.helper, self._registry), f"asks {config.helper}, which has nothing"
            except ConfigurationError as error:
                asked = f"asks {error}; it has nothing"
            if found is None:
                self._skip(config.helper, asked)
        if found is None and self._needed:
            hint = "run docker login, or use auth: {type: basic}"
            raise ConfigurationError(f"registry {self._registry}: {where} {asked} for this registry; {hint}")
        return found

    def _skip(self, helper: str, reason: str) -> None:
        """Said once: nothing changes by saying it every hour. Where it is needed the error says it."""
        if not self._skipped and not self._needed:
            self._skipped = True
            log.warning("credentials.skipped", registry=self._registry, helper=helper, reason=reason)
