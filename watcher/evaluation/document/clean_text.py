"""Values of an image as protobuf takes them."""

from collections.abc import Sequence

from watcher.evaluation.document.files import MAX_INT64


def clean(text: str) -> str:
    """`text` as protobuf takes it: what is not UTF-8 becomes a visible escape."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def clean_all(texts: Sequence[str]) -> list[str]:
    return [clean(text) for text in texts]


def int64(number: int) -> int:
    return max(-MAX_INT64, min(number, MAX_INT64))
