"""Senders that sign the body with a secret: HMAC over its raw bytes, before anything reads them."""

import hmac
import re
from collections.abc import Mapping

from watcher.kit.secret import Secret
from watcher.sources.protocol import HookRequest

DIGEST_BYTES = {"sha1": 20, "sha256": 32}


class SignatureDoorman:
    """Knows one secret, and what the request says of none: which algorithm it is."""

    reads_body = True

    def __init__(self, secret: Secret, *, prefixes: Mapping[str, str], algorithm: str) -> None:
        self._key = secret.reveal().encode()
        self._algorithm = algorithm
        self._forms = {
            header: re.compile(re.escape(prefix) + rf"([0-9a-fA-F]{{{2 * DIGEST_BYTES[algorithm]}}})")
            for header, prefix in prefixes.items()
        }

    def admits(self, request: HookRequest) -> bool:
        """Whether there is anything that could be a signature: without one the body need not be read."""
        return bool(self._given(request.headers))

    async def objection(self, request: HookRequest, signed: bytes) -> str | None:
        """`bad-signature`, or None."""
        expected = hmac.digest(self._key, signed, self._algorithm)
        known = [hmac.compare_digest(expected, given) for given in self._given(request.headers)]
        return None if any(known) else "bad-signature"

    def _given(self, headers: Mapping[str, str]) -> list[bytes]:
        found = ((form, headers.get(header, "")) for header, form in self._forms.items())
        return [bytes.fromhex(match[1]) for form, value in found if (match := form.fullmatch(value.strip()))]
