"""Which broker is trusted, and what we show it."""

import ssl
from pathlib import Path

from watcher.model.errors import ConfigurationError


def tls_context(*, ca_file: str, client_cert: str, client_key: str) -> ssl.SSLContext:
    """Trust `ca_file`, or the system's authorities when it is empty; show `client_cert` when there is one. Reads the files.

    Raises:
        ConfigurationError: a file is missing or holds something else; the text names it.
    """
    for path in filter(None, (ca_file, client_cert, client_key)):
        if not Path(path).is_file():
            raise ConfigurationError(f"{path}: no such file")
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigurationError(f"{ca_file}: holds no certificates in PEM: {error}") from error
    context.sslsocket_class = _TlsSocket
    if client_cert:
        try:
            # Without `password` OpenSSL would ask for the passphrase of a key at the terminal, and wait.
            context.load_cert_chain(client_cert, client_key or None, password="")
        except OSError as error:
            where = f"{client_cert} and {client_key}" if client_key else client_cert
            raise ConfigurationError(f"{where}: no certificate with its key in PEM, without a passphrase: {error}") from error
    return context


class _TlsSocket(ssl.SSLSocket):
    """Ends with a handshake that fails; paho would leave it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ConnectionError as error:
            # A server that speaks no TLS hangs up, and that is then no trouble of the network.
            self.close()
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "cut off") from error
        except OSError:
            self.close()
            raise
