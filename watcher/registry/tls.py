"""Whom a registry must prove to be, and what we prove to it."""

import ssl

from watcher.model.errors import ConfigurationError
from watcher.registry.settings import RegistrySettings


def server_context(settings: RegistrySettings) -> ssl.SSLContext:
    """Trusts the authorities of `ca_file`, else the system's; shows no certificate. Raises ConfigurationError."""
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"registry {settings.registry}: ca_file {settings.ca_file} cannot be read as PEM") from error


def own_context(settings: RegistrySettings) -> ssl.SSLContext:
    """The same for the registry's own host, which is also shown `client_cert`. Raises ConfigurationError."""
    context = server_context(settings)
    if settings.client_cert is not None:
        given = settings.client_cert
        try:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(given.cert, given.key, password="")
        except (OSError, ssl.SSLError) as error:
            what = f"client_cert {given.cert} and its key {given.key} cannot be read as PEM, or do not belong together"
            raise ConfigurationError(f"registry {settings.registry}: {what}") from error
    return context
