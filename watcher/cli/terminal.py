"""What commands print to."""

from rich.console import Console

# Wider than any line: a pipe has no edge, and what stands on one line can be searched and cut by other programs.
_ENDLESS = 100_000


def console(*, stderr: bool = False) -> Console:
    """As wide as the terminal; where there is none, one record is one line, nothing wrapped or cut."""
    shown = Console(stderr=stderr, highlight=False)
    return shown if shown.is_terminal else Console(stderr=stderr, highlight=False, width=_ENDLESS)
