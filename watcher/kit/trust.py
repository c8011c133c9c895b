"""Whom this process believes in TLS: the authorities of the system, and those of one file beside them."""

import os
import ssl
from pathlib import Path

from watcher.kit.regular_files import read_regular
from watcher.model.errors import ConfigurationError

# What is looked at for the authorities of the system where OpenSSL's own place is empty.
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
# Each library has a variable of its own for where it looks: OpenSSL, and with it all that is Python's; requests, and with it
# apprise and Google's; botocore; gRPC.
VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")


def trust(ca_file: str | None) -> None:
    """Believe what the authorities in `ca_file` sign, in every connection of this process that says nothing else.

    To be called before the first connection. The libraries read files and take one each, so that both are written into one, which
    is in memory: a container has no folder to write to. Programs that are asked for credentials inherit the variables and believe
    the same: they open it under the number of this process, which is there for whoever is the same user.

    Raises:
        ConfigurationError: it cannot be read, or holds no certificate.
    """
    if ca_file is None:
        return
    try:
        added = read_regular(ca_file)
        ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        why = "holds no certificates in PEM" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        raise ConfigurationError(f"ca_file: {ca_file} {why}") from error
    bundle = os.memfd_create("authorities", os.MFD_CLOEXEC)
    with open(bundle, "wb", closefd=False) as file:
        file.write(_of_system() + b"\n" + added)
    for name in VARIABLES:
        os.environ[name] = f"/proc/{os.getpid()}/fd/{bundle}"


def _of_system() -> bytes:
    """What would be believed otherwise, as OpenSSL finds it, or as distributions lay it down. Nothing where there is nothing."""
    for path in (ssl.get_default_verify_paths().cafile or "", *SYSTEM_BUNDLES):
        if Path(path).is_file():
            return Path(path).read_bytes()
    return b""
