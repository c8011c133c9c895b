"""What somebody may have meant by a name that is none."""

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """The name that is most like `word`, whatever its capitals; None where nothing is."""
    names = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), names, n=1)
    return names[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """To be put behind what is said of `word`: `; did you mean …?`, or nothing."""
    like = closest(word, known)
    return f"; did you mean {like!r}?" if like is not None else ""


def one_of(word: str, known: Iterable[str]) -> str:
    """All that there are, for where these are few, and which of them was meant."""
    names = sorted(known)
    return f"there are: {', '.join(names) or 'none'}{did_you_mean(word, names)}"
