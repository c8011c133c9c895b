"""Positions inside YAML text: an error about a part of an expression is about that part of the file."""

import pytest

from watcher.evaluation.policies.places import Places
from watcher.evaluation.policies.template import Part, TemplateError, line_and_column, split_template
from watcher.kit.yaml_source import parse_yaml


@pytest.mark.parametrize(
    ("text", "value", "place"),
    [
        ("a: x + Y", "x + Y", "1:8"),
        ("a: 'x + Y'", "x + Y", "1:9"),
        ("a: 'it''s Y'", "it's Y", "1:11"),
        (r'a: "\"\x41\u0041\" Y"', '"AA" Y', "1:20"),
        ("a: |\n  x +\n    Y\n", "x +\n  Y\n", "3:5"),
        ("a: |\n\n  x +\n  Y\n", "\nx +\nY\n", "4:3"),
        ("a: >\n  x +\n  y + Y\n", "x + y + Y\n", "3:7"),
        ("a: x +\n   y + Y", "x + y + Y", "2:8"),
        ("a: 'x +\n   y + Y'", "x + y + Y", "1:8"),
    ],
)
def test_a_place_in_the_text_is_a_place_in_the_file(text: str, value: str, place: str) -> None:
    """Whatever style the text is written in; of quoted text over several lines only the first is sure."""
    (source,) = parse_yaml(text, "f.yaml")
    assert source.value == {"a": value}
    places = Places(source=source, lines=tuple(text.splitlines()))
    before = value[: value.index("Y")]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    assert places.inside(("a",), line, column) == f"f.yaml:{place}"


def test_a_place_that_is_not_there_is_its_nearest_container() -> None:
    """What has no position of its own is where its container is."""
    (source,) = parse_yaml("a: {b: c}", "f.yaml")
    assert Places(source=source, lines=("a: {b: c}",)).inside(("a", "z"), 1, 5) == "f.yaml:1:1"


def test_a_message_is_text_and_expressions() -> None:
    """Braces and quotes of an expression are its own."""
    assert split_template("a {{b}} c{{ {'x': '}}'}['x'] }}") == [
        Part(text="a ", is_expression=False, offset=0),
        Part(text="b", is_expression=True, offset=4),
        Part(text=" c", is_expression=False, offset=7),
        Part(text=" {'x': '}}'}['x'] ", is_expression=True, offset=11),
    ]
    assert split_template(r'{{"\"}}"}}') == [Part(text=r'"\"}}"', is_expression=True, offset=2)]
    assert split_template("") == []
    assert split_template("}} { }") == [Part(text="}} { }", is_expression=False, offset=0)]


def test_an_expression_without_its_end_is_an_error() -> None:
    """The error says where the expression begins."""
    with pytest.raises(TemplateError) as raised:
        split_template("text {{x}} and {{ y }")
    assert raised.value.offset == 15


def test_offsets_are_lines_and_columns() -> None:
    """Both count from 1."""
    assert [line_and_column("ab\ncd", offset) for offset in (0, 2, 3, 4)] == [(1, 1), (1, 3), (2, 1), (2, 2)]
