"""A user name and a password from the configuration."""

import asyncio

from watcher.kit.secret import resolve
from watcher.registry.credentials import Credentials
from watcher.registry.settings import PasswordAuth


class Password:
    """A user name and a password that is kept somewhere; read anew each time, since files are rotated."""

    def __init__(self, settings: PasswordAuth) -> None:
        """Raises ConfigurationError: at once, not at the first push."""
        resolve(settings.password)
        self._settings = settings

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        password = await asyncio.to_thread(resolve, self._settings.password)
        return Credentials(username=self._settings.username, password=password)
