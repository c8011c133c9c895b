"""Any bytes are a Dockerfile, or one kind of error."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from watcher.inspection.dockerfile.images import named_images
from watcher.inspection.dockerfile.parsing import parse_dockerfile
from watcher.model.errors import ConfigurationError

WORDS = ("FROM ", "ARG ", "COPY --from=", "RUN ", "--mount=from=", "a", "A=", "$A", "${A:-b}", "AS x", "0")
MARKS = ("\\\n", "\n", "#", "<<E", "\nE\n", "\\", " ", '"')
pieces = st.sampled_from((*WORDS, *MARKS))


@given(st.binary(max_size=200) | st.lists(pieces, max_size=30).map(lambda parts: "".join(parts).encode()))
def test_any_bytes(content: bytes) -> None:
    """Every image that is named stands in a line that there is."""
    with contextlib.suppress(ConfigurationError):
        parsed = parse_dockerfile(content)
        lines = content.count(b"\n") + 1
        named = named_images(parsed, {"A": "b"}, "linux/amd64")
        assert all(0 < each.line <= lines for each in parsed.instructions)
        assert all(0 < each.line <= lines for each in named.images)
