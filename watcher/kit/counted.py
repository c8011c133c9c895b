"""Numbers of things, as people say them."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 rule`, `2 rules`, `0 policies`. `plural` is named where it is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
