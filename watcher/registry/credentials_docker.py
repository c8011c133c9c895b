"""Credentials from docker's configuration, or from the program that it names."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host
from watcher.registry.aside import Aside
from watcher.registry.credentials import Credentials
from watcher.registry.docker_config import default_paths, read_docker_config
from watcher.registry.docker_helper import PROGRAM_SECONDS, ask_helper

log = structlog.get_logger(__name__)


class DockerSource:
    """What docker would show this registry. `needed` says whether nothing is an error, or just nothing."""

    def __init__(self, registry: Host, path: str | None, *, needed: bool) -> None:
        """Raises ConfigurationError, where it is `needed`, for a file or a program that is not there, or a file that is none."""
        self._registry = registry
        self._path = path
        self._needed = needed
        self._skipped = False
        # The program's own time, and a moment for a machine that is slow to start it.
        self._aside = Aside(self._look_up, name=f"docker credentials of {registry}", timeout_seconds=PROGRAM_SECONDS + 5)
        if needed:
            self._check()

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`. The file is read anew each time: somebody may have logged in."""
        return await self._aside.ask()

    def _check(self) -> None:
        """At once, not at the first push. That nobody has logged in yet is no reason not to begin."""
        if self._path is not None and not Path(self._path).exists():
            raise ConfigurationError(f"{self._path} is not there")
        for where in self._paths():
            config = read_docker_config(where, self._registry)
            if config.helper is not None and shutil.which(config.helper) is None:
                raise ConfigurationError(f"{where} asks {config.helper}, which cannot be run: it is not in PATH")
            if config.credentials is not None:
                if config.credentials.malformed:
                    raise ConfigurationError(config.credentials.malformed)
                return

    def _paths(self) -> Sequence[Path]:
        return [Path(self._path)] if self._path else default_paths()

    def _look_up(self) -> Credentials | None:
        """The first file that has something for the registry; what earlier ones have for some repositories goes before that."""
        paths = self._paths()
        narrower: dict[str, Credentials] = {}
        asked = ""
        for where in paths:
            config = read_docker_config(where, self._registry)
            narrower = {**config.narrower, **narrower}
            found = config.credentials
            if config.helper is not None:
                found, said = self._ask(config.helper)
                asked = asked or f"{where} {said}"
            if found is not None:
                return replace(found, narrower=narrower)
        if narrower:
            return Credentials(narrower=narrower)
        if self._needed:
            asked = asked or f"{', '.join(str(path) for path in paths if path.exists()) or paths[0]} has nothing"
            hint = "run docker login, or use auth: {type: basic}"
            raise ConfigurationError(f"registry {self._registry}: {asked} for this registry; {hint}")
        return None

    def _ask(self, helper: str) -> tuple[Credentials | None, str]:
        """What a helper has, and how to say that it has nothing."""
        try:
            found, said = ask_helper(helper, self._registry), f"asks {helper}, which has nothing"
        except ConfigurationError as error:
            found, said = None, f"asks {error}; it has nothing"
        if found is None:
            self._skip(helper, said)
        return found, said

    def _skip(self, helper: str, reason: str) -> None:
        """Said once: nothing changes by saying it every hour. Where it is needed the error says it."""
        if not self._skipped and not self._needed:
            self._skipped = True
            log.warning("credentials.skipped", registry=self._registry, helper=helper, reason=reason)
