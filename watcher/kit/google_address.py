"""Where a service of Google's is, by what a configuration writes."""

import re
from urllib.parse import SplitResult, urlsplit

from watcher.model.reference import is_this_machine

# Names a host with a port, which speaks no TLS; Google's own tools read it.
PUBSUB_EMULATOR = "PUBSUB_EMULATOR_HOST"
PUBSUB_HOST = "pubsub.googleapis.com"


def check_endpoint(endpoint: str, *, credentials_file: str) -> None:
    """Either may be empty. Raises ValueError."""
    if endpoint and _split(endpoint) is None:
        raise ValueError(f"endpoint {endpoint!r:.200} is not HOST or HOST:PORT; it has no scheme and no path")
    if is_local(endpoint) and credentials_file:
        raise ValueError("an endpoint on this machine is shown no credentials_file: it is not asked for in plain text")


def is_local(endpoint: str) -> bool:
    """Whether it is on this machine, by its address or its usual name. Only there nothing is encrypted."""
    parts = _split(endpoint)
    return parts is not None and is_this_machine(parts.hostname or "")


def _split(endpoint: str) -> SplitResult | None:
    """None when it is no authority of a host and perhaps a port."""
    try:
        parts = urlsplit(f"//{endpoint}")
        is_whole = parts.netloc == endpoint and parts.port != 0 and parts.username is None
        return parts if is_whole and re.fullmatch(r"[A-Za-z0-9.:-]+", parts.hostname or "") else None
    except ValueError:
        return None
