"""Whom a registry must prove to be, and what we prove to it."""

import ssl

from watcher.kit.connector import believing
from watcher.kit.regular_files import read_regular
from watcher.model.errors import ConfigurationError
from watcher.registry.settings import RegistrySettings


def own_context(settings: RegistrySettings) -> ssl.SSLContext:
    """For the registry's own host: trusts the authorities of `ca_file`, else the system's; shows `client_cert`.

    Raises ConfigurationError.
    """
    if settings.ca_file is None and settings.client_cert is None:
        return believing()
    try:
        if settings.ca_file is not None:
            read_regular(settings.ca_file)
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise _unreadable(settings, error) from error
    if settings.client_cert is not None:
        given = settings.client_cert
        try:
            for path in (given.cert, given.key):
                read_regular(path)
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(given.cert, given.key, password="")
        except (OSError, ssl.SSLError) as error:
            what = f"client_cert {given.cert} and its key {given.key} cannot be read as PEM, or do not belong together"
            raise ConfigurationError(f"registry {settings.registry}: {what}") from error
    return context


def elsewhere_context(settings: RegistrySettings) -> ssl.SSLContext:
    """For whomever the registry leads us to: trusts the system's authorities and those of `ca_file`; shows nothing.

    Raises ConfigurationError.
    """
    if settings.ca_file is None:
        return believing()
    context = ssl.create_default_context()
    try:
        read_regular(settings.ca_file)
        context.load_verify_locations(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise _unreadable(settings, error) from error
    return context


def _unreadable(settings: RegistrySettings, error: OSError) -> ConfigurationError:
    why = " as PEM" if isinstance(error, ssl.SSLError) else f": {error.strerror}"
    return ConfigurationError(f"registry {settings.registry}: ca_file {settings.ca_file} cannot be read{why}")
