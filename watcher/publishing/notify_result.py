"""What became of a message, as far as apprise says. A part of `notify.py`.

It says success or failure, and why only in its logs, which also hold addresses and tokens: nothing is taken from them but numbers.
"""

import re
from collections.abc import Iterable

from watcher.model.errors import PermanentError, RetryableError

# `Failed to send Slack notification: Unauthorized - Invalid Token., error=401.`, in nearly all of apprise's plugins.
_HTTP = re.compile(r"\berror=(\d{3})\b")
# `Socket Exception: (535, b'5.7.8 …')` of smtplib, and `SMTP recipient a@b.example was refused: 550 b'…'`.
_SMTP = re.compile(r"\((\d{3}), b['\"]|was refused: (\d{3})\b")
_PASSING = (408, 425, 429)
_WHY = {
    401: "it refuses the credentials of its URL",
    403: "it refuses the credentials of its URL",
    404: "what its URL names is not there",
    410: "what its URL names is gone",
    535: "it refuses the credentials of its URL",
    550: "it refuses a recipient",
}


class NotifyRefusedError(PermanentError):
    """The service answered that this message, or any by this URL, will never be taken."""

    reason = "receiver-refused"


class NotifyUnavailableError(RetryableError):
    """The service did not take the message this time, or nobody knows whether it did."""

    reason = "receiver-unavailable"


class NotifyGoesOnError(RetryableError):
    """There is more to tell than fits into one attempt."""

    reason = "more-to-tell"


def failure(name: str, service: str, logs: Iterable[str], *, mail: bool) -> NotifyRefusedError | NotifyUnavailableError:
    """The error of a message that was not taken. `name` is the publisher's, `service` what apprise calls the service.

    Without a number it passes: nobody could be reached, or a service said something of its own.
    """
    codes = [int(next(filter(None, found.groups()))) for text in logs for found in (_SMTP if mail else _HTTP).finditer(text)]
    if not codes:
        return NotifyUnavailableError(f"notify {name}: {service} could not be reached, or did not take the message")
    code = codes[-1]
    said = f"notify {name}: {service} answered {code}"
    if _is_final(code, mail=mail):
        return NotifyRefusedError(f"{said}: {_WHY[code]}" if code in _WHY else said)
    return NotifyUnavailableError(said)


def _is_final(code: int, *, mail: bool) -> bool:
    """Whether the same answer would come again. Redirects are not followed: a message goes where it was configured to go."""
    if mail:
        return code >= 500
    return 300 <= code < 500 and code not in _PASSING
