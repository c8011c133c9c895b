"""Build steps are taken apart as builders put them together."""

import pytest

from watcher.model.build_steps import build_step


@pytest.mark.parametrize(
    ("created_by", "arguments", "command"),
    [
        ("|1 TOKEN=two words /bin/sh -c npm ci", [("TOKEN", "two words")], "npm ci"),
        ("RUN |1 TOKEN=two words /bin/sh -c npm ci # buildkit", [("TOKEN", "two words")], "npm ci"),
        ('RUN |2 A="it\'s" B=x=y z /bin/bash -o pipefail -c make', [("A", '"it\'s"'), ("B", "x=y z")], "make"),
        ("RUN |2 A=1 B= /bin/ash -euxo pipefail -c make C=3", [("A", "1"), ("B", "")], "make C=3"),
        ("RUN |1 A=/bin/sh here /bin/sh -c make", [("A", "/bin/sh here")], "make"),
        ("RUN |1 A=b npm ci # buildkit", [("A", "b")], "npm ci"),
        ("RUN |1 A=b", [("A", "b")], ""),
        ("RUN |0 /bin/sh -c make", [], "make"),
        ("RUN |2 A=b", [], "A=b"),
        ("RUN /bin/bash -o pipefail -c set -e; make", [], "set -e; make"),
        ("RUN /bin/bash -c make", [], "make"),
        ("RUN |1 A=b cmd /S /C dir", [("A", "b")], "dir"),
        ("RUN powershell -NoProfile -Command dir", [], "dir"),
        ("RUN npm ci", [], "npm ci"),
    ],
)
def test_a_command_is_what_its_shell_was_given(created_by: str, arguments: list[tuple[str, str]], command: str) -> None:
    """Whatever SHELL said, and whatever its build arguments hold: builders write those without quotes."""
    step = build_step(created_by)
    assert (step.operation, list(step.build_arguments), step.arguments) == ("RUN", arguments, command)
