"""What may be wrong with a service of Google's, out of what gRPC and its libraries say."""

from dataclasses import dataclass

from watcher.kit.cloud_trouble import Kind, Trouble

# What gRPC calls a connection that is not there, a service that is busy, and a stream that was simply ended.
_PASSING = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN", "CANCELLED", "OK"}
)
_DETAIL_CHARACTERS = 300
# A token that cannot be fetched is UNAVAILABLE to gRPC, which only sees that its plugin failed.
_NO_TOKEN = "Getting metadata from plugin failed"  # noqa: S105  a text of gRPC
# Google's token endpoint, to a request that was signed too early or too late by its clock.
_CLOCK = "reasonable timeframe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for something: its name, what it is, as a noun, and what we do: `publish to`, `published to`."""

    name: str
    noun: str
    verb: str
    participle: str


def answered(asked: Asked, code: str, detail: str, *, wait_seconds: float | None = None) -> Trouble:
    """`code` is the name of a gRPC status."""
    detail = " ".join(detail.split())[:_DETAIL_CHARACTERS] or "no reason given"

    def trouble(kind: Kind, text: str) -> Trouble:
        return Trouble(kind=kind, text=f"{asked.name}: {text}: {detail}", wait_seconds=wait_seconds)

    if detail.startswith(_NO_TOKEN) and _CLOCK in detail:
        return trouble(Kind.CLOCK, "the clock of this machine is wrong, so no access token can be had")
    if detail.startswith(_NO_TOKEN):
        return trouble(Kind.CREDENTIALS, "no access token can be had with our credentials")
    if code == "NOT_FOUND":
        return trouble(Kind.MISSING, f"there is no such {asked.noun}")
    if code == "PERMISSION_DENIED":
        return trouble(Kind.DENIED, f"we may not {asked.verb} it")
    if code == "UNAUTHENTICATED":
        return trouble(Kind.CREDENTIALS, "our credentials are not accepted")
    if code in _PASSING:
        return trouble(Kind.UNREACHABLE, f"cannot be {asked.participle} now ({code})")
    return trouble(Kind.WRONG if code == "INVALID_ARGUMENT" else Kind.OTHER, f"refused ({code})")
