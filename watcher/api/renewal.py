"""The certificate of the server, read again when it is another: whoever renews it restarts nobody."""

import asyncio
import math
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import structlog

from watcher.api.settings import TlsSettings
from watcher.model.errors import ConfigurationError

log = structlog.get_logger(__name__)

# It is renewed days before its end.
LOOK_SECONDS = 60.0


async def keep_current(
    context: ssl.SSLContext,
    files: TlsSettings,
    tried: Callable[[], object],
    told: Callable[[float], None],
    look_seconds: float = LOOK_SECONDS,
) -> NoReturn:
    """Give `context` what the files hold whenever they change, until cancelled; connections that are open keep what they have.

    `tried` raises ConfigurationError for files that are no certificate and its key: the present one stays then, and they are tried
    again at each look, since what kept them from being read may be elsewhere than in them. `told` hears when the certificate ends,
    now and whenever it is another.
    """
    told(ends_at(files.cert))
    known, refused = _state(files), ""
    while True:
        await asyncio.sleep(look_seconds)
        found = _state(files)
        if found == known and not refused:
            continue
        try:
            tried()
            context.load_cert_chain(files.cert, files.key, password="")
        except (ConfigurationError, OSError) as error:
            if found != known or str(error) != refused:
                log.error("certificate.refused", cert=files.cert, detail=str(error))
            refused = str(error)
        else:
            refused = ""
            log.info("certificate.renewed", cert=files.cert)
            told(ends_at(files.cert))
        known = found


def ends_at(cert: str) -> float:
    """When the first certificate of the file ends, in seconds since 1970; NaN where it cannot be read."""
    # Imported here, since most daemons have none, and it takes a twentieth of a second.
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(Path(cert).read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):  # as of one that OpenSSL reads all the same
        return math.nan


def _state(files: TlsSettings) -> tuple[tuple[int, ...] | None, ...]:
    """What differs when a file was written, given to somebody else, or another took its place."""
    return tuple(_seen(Path(path)) for path in (files.cert, files.key))


def _seen(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns
