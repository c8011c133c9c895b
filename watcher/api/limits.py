"""How long anybody is waited for, and how many at a time. Nobody configures it; tests wait for less."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of requests, of connections, and of what the API asks others."""

    # Registries give up after one to ten seconds themselves; this ends senders that trickle.
    read_seconds: float = 10.0
    # A body that is too large is still read to its end, so that the sender sees our answer and not a broken connection, which a
    # registry would answer by sending it again for ever. What is longer than this comes from no registry, and is cut off.
    drain_bytes: int = 64 * 1024 * 1024
    # For the TLS handshake, and then from the connection, or the first byte of a further request, to the end of its headers.
    # One round trip is enough; this is for lines that lose packets.
    head_seconds: float = 5.0
    # A connection that was answered is kept for so long. Longer than the minute for which proxies keep theirs, or they would send
    # into one that is just being closed.
    idle_seconds: float = 75.0
    # Whoever asked and takes nothing of the answer for so long is hung up on.
    unread_seconds: float = 30.0
    # Half of the files that the process may have open, within these: a limit that was lifted is no reason to keep everybody.
    min_connections: int = 64
    max_connections: int = 4096
    # What a tag leads to, asked of its registry while a cluster waits for the admission.
    resolve_seconds: float = 2.0
    # All images of one review together. The answer is written in what is left of four seconds; Kubernetes waits for ten.
    review_seconds: float = 3.5
    # Proxies close idle connections after a minute; whoever wants to wait longer for a verdict asks for the Location again.
    wait_seconds: float = 120.0


LIMITS = Limits()
