"""What went wrong on the way to a registry, and which of its settings has to do with it; said alike of requests and of blobs."""

from collections.abc import Mapping

from watcher.kit.http_trouble import SPEAKS_PLAIN, SPEAKS_TLS, UNKNOWN, clause
from watcher.model.errors import RegistryUnavailableError

A_PAGE = "what answers is a web page, not a registry"
NOTHING = "it was answered with nothing"

_SETTINGS = {
    SPEAKS_TLS: "see scheme",
    SPEAKS_PLAIN: "if that is meant, write scheme: http",
    UNKNOWN: "see ca_file",
}


def unreachable(what: str, error: BaseException | str, *, timeout_seconds: float | None = None) -> RegistryUnavailableError:
    """`error` is whatever a library raised, or a clause; `what` is the request as `asked` names it."""
    said = error if isinstance(error, str) else clause(error, timeout_seconds=timeout_seconds)
    advice = next((f"; {advice}" for clue, advice in _SETTINGS.items() if clue in said), "")
    return RegistryUnavailableError(f"{what}: {said}{advice}")


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether what came is for people: the login of a network, or an application that answers everything with its first page.

    What a registry holds, or the word that all is well, it may call so too.
    """
    return headers.get("Content-Type", "").lower().startswith("text/html") and body[:256].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
        b"<"
    )
