"""The certificate of the server, read again when it is another: whoever renews it restarts nobody."""

import asyncio
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
    context: ssl.SSLContext, files: TlsSettings, tried: Callable[[], object], look_seconds: float = LOOK_SECONDS
) -> NoReturn:
    """Give `context` what the files hold whenever they change, until cancelled; connections that are open keep what they have.

    `tried` raises ConfigurationError for files that are no certificate and its key: the present one stays then, and they are
    looked at again when they have changed once more, as when the key has followed its certificate.
    """
    known = _state(files)
    while True:
        await asyncio.sleep(look_seconds)
        found = _state(files)
        if found == known:
            continue
        known = found
        try:
            tried()
            context.load_cert_chain(files.cert, files.key, password="")
        except (ConfigurationError, OSError) as error:
            log.error("certificate.refused", cert=files.cert, detail=str(error))
        else:
            log.info("certificate.renewed", cert=files.cert)


def _state(files: TlsSettings) -> tuple[tuple[int, int] | None, ...]:
    """What differs when a file was written or another took its place."""
    return tuple(_seen(Path(path)) for path in (files.cert, files.key))


def _seen(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
