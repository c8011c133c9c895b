"""Times as text: RFC 3339."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """With `Z`, whole seconds when there is no fraction."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment_of(text: str) -> datetime | None:
    """With any number of fractional digits, as UTC; None for anything else, and for a time that has no zone or no place."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
