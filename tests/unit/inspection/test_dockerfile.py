"""A Dockerfile that is given beside an image."""

import json
from typing import Any

import pytest

from tests.doubles.inventories import an_inventory
from tests.doubles.verdicts import IMAGE
from watcher.inspection.dockerfile.gatherer import DockerfileGatherer
from watcher.inspection.dockerfile.images import named_images
from watcher.inspection.dockerfile.parsing import MAX_BYTES, parse_dockerfile
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import SectionState, Subject

SUBJECT = Subject(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=IMAGE)
DIGEST = "sha256:" + "a" * 64


def read(text: str) -> list[tuple[str, str, int, int]]:
    return [(each.op, each.args, each.line, each.stage) for each in parse_dockerfile(text.encode()).instructions]


def images(text: str, **build_args: str) -> list[tuple[str, str, int]]:
    named = named_images(parse_dockerfile(text.encode()), build_args, "linux/arm64/v8")
    assert not named.unknown
    return [(each.reference, each.instruction, each.line) for each in named.images]


def unknown(text: str, **build_args: str) -> tuple[str, ...]:
    return named_images(parse_dockerfile(text.encode()), build_args, "linux/amd64").unknown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from a\nRun b c\n", [("FROM", "a", 1, 0), ("RUN", "b c", 2, 0)]),
        ("ARG A=1\n\n# comment\nFROM a\nFROM b", [("ARG", "A=1", 1, -1), ("FROM", "a", 4, 0), ("FROM", "b", 5, 1)]),
        ("FROM a\nRUN b \\\n  # why\n\n  && c\nUSER d", [("FROM", "a", 1, 0), ("RUN", "b   && c", 2, 0), ("USER", "d", 6, 0)]),
        ("FROM a\nRUN b \\ \t\nc", [("FROM", "a", 1, 0), ("RUN", "b c", 2, 0)]),
        ("# escape=`\nFROM a\nRUN b `\nc\\\nUSER d", [("FROM", "a", 2, 0), ("RUN", "b c\\", 3, 0), ("USER", "d", 5, 0)]),
        ("FROM a\r\nUSER b\r\n", [("FROM", "a", 1, 0), ("USER", "b", 2, 0)]),
        ("\ufeffFROM a", [("FROM", "a", 1, 0)]),
        ("FROM a\nRUN <<E\nFROM b\nE\nUSER c", [("FROM", "a", 1, 0), ("RUN", "<<E\nFROM b\nE", 2, 0), ("USER", "c", 5, 0)]),
        ("FROM a\nCOPY <<-'E' <<F /x/\n\t1\n\tE\n2\nF", [("FROM", "a", 1, 0), ("COPY", "<<-'E' <<F /x/\n1\nE\n2\nF", 2, 0)]),
        ("FROM a\nRUN b <<< c", [("FROM", "a", 1, 0), ("RUN", "b <<< c", 2, 0)]),
        ("FROM a\n\\\n", [("FROM", "a", 1, 0)]),
    ],
)
def test_instructions_are_read_as_builders_read_them(text: str, expected: list[tuple[str, str, int, int]]) -> None:
    """Continued lines, comments in their midst, files written in place, another escape character."""
    assert read(text) == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no line of it is a FROM"),
        (b"USER a", "no line of it is a FROM"),
        (b"FROM a\nfoo bar", "line 2: 'foo' is no instruction"),
        (b"FROM a\nRUN", "line 2: RUN without"),
        (b"FROM a\nRUN <<E\nx", "line 2: what begins with <<E has no end"),
        (b"# escape=x\nFROM a", "escape character"),
        (b"FROM \xff", "UTF-8"),
        (b"#" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_dockerfile_is_told(content: bytes, why: str) -> None:
    """With its line."""
    with pytest.raises(ConfigurationError, match=why):
        parse_dockerfile(content)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# syntax=docker/dockerfile:1\nFROM a", [("docker/dockerfile:1", "syntax", 1), ("a", "FROM", 2)]),
        ("FROM --platform=$BUILDPLATFORM a AS x\nFROM X", [("a", "FROM", 1)]),
        ("FROM scratch", []),
        ("FROM a as x\nFROM b\nCOPY --from=x . .\nCOPY --chown=1 --from=0 . .", [("a", "FROM", 1), ("b", "FROM", 2)]),
        ("FROM a\nCOPY --chown=1 --from=b . .", [("a", "FROM", 1), ("b", "COPY", 2)]),
        ("FROM a\nRUN --mount=type=bind,from=t:1,target=/t --mount=type=cache,target=/c b", [("a", "FROM", 1), ("t:1", "RUN", 2)]),
        ("ARG V=1\nARG B=a:$V\nFROM ${B}", [("a:1", "FROM", 3)]),
        ("ARG B\nFROM ${B:-a}", [("a", "FROM", 2)]),
        ("ARG B=\nFROM ${B:-a}${B:+b}${B-c}", [("a", "FROM", 2)]),
        ("FROM a-$TARGETARCH$TARGETVARIANT:${TARGETOS}", [("a-arm64v8:linux", "FROM", 1)]),
        ('ARG B="a"\nFROM $B', [("a", "FROM", 2)]),
        ("FROM a\nONBUILD COPY --from=b . .", [("a", "FROM", 1)]),
        ("FROM ---", [("", "FROM", 1)]),
    ],
)
def test_images_that_are_named(text: str, expected: list[tuple[str, str, int]]) -> None:
    """Not those that are stages of the same file."""
    assert images(text) == expected


def test_build_arguments_take_the_place_of_defaults() -> None:
    """Only of what is declared before the first FROM."""
    assert images("ARG B=a\nFROM $B", B="c") == [("c", "FROM", 2)]
    assert unknown("FROM $B", B="c") == ("line 1: FROM of '$B': no value is known for 'B'",)


@pytest.mark.parametrize("text", ["ARG B\nFROM $B", "ARG B=$C\nFROM $B", "ARG B=a\nFROM ${B%x}", "FROM a\nRUN --mount=from=$X b"])
def test_an_image_that_cannot_be_told_is_said(text: str) -> None:
    """It is not left out."""
    assert len(unknown(text)) == 1


async def gathered(text: str) -> tuple[SectionState, dict[str, Any]]:
    brought = await DockerfileGatherer(content=text.encode()).gather(SUBJECT, an_inventory())
    return brought.sections["dockerfile"].state, json.loads(brought.document)["dockerfile"]


async def test_images_are_pinned_by_digest_only() -> None:
    """And named in full."""
    state, found = await gathered(f"FROM debian\nFROM ghcr.io/a/b:1@{DIGEST}\nFROM Not:A:Name")
    assert state is SectionState.COMPLETE
    assert [(each["image"], each["pinned"]) for each in found["images"]] == [
        ({"ref": "docker.io/library/debian", "registry": "docker.io", "repository": "docker.io/library/debian"}, False),
        ({"ref": "ghcr.io/a/b:1", "registry": "ghcr.io", "repository": "ghcr.io/a/b", "digest": DIGEST}, True),
        ({"ref": "Not:A:Name"}, False),
    ]


async def test_an_unknown_image_makes_the_section_partial() -> None:
    """A rule about it is undecided, not passed."""
    state, found = await gathered("FROM $NONE")
    assert (state, found["images"]) == (SectionState.PARTIAL, [])


async def test_credentials_are_not_shown() -> None:
    """Nor where their value stands again."""
    key = "wJalrXUtnFEMI" + "K7MDENGbPxRfiCYabcdefghij"
    _, found = await gathered(f"FROM a\nENV AWS_SECRET_ACCESS_KEY={key}\nRUN use {key}\nUSER app")
    assert key not in json.dumps(found)
    assert [each["args"] for each in found["instructions"]] == ["a", "***", "***", "app"]
