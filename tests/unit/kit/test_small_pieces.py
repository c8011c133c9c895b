from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watcher.kit.glob import glob_any, glob_match
from watcher.kit.secret import Secret, resolve
from watcher.kit.seldom import Seldom
from watcher.kit.units import seconds, size_bytes
from watcher.kit.wakeup import Wakeup
from watcher.kit.yaml_source import parse_yaml
from watcher.model.errors import ConfigurationError


@pytest.mark.parametrize(("text", "expected"), [("500ms", 0.5), ("1.5s", 1.5), ("10m", 600), ("72h", 259200), ("1d", 86400)])
def test_a_duration_has_a_unit(text: str, expected: float) -> None:
    """Seconds come out, whatever the unit."""
    assert seconds(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("0B", 0), ("1MiB", 1 << 20), ("20GiB", 20 << 30), ("1TiB", 1 << 40)])
def test_a_size_has_a_binary_unit(text: str, expected: int) -> None:
    """Bytes come out, whatever the unit."""
    assert size_bytes(text) == expected


@pytest.mark.parametrize("number", ["9" * 11, "9" * 400, "9" * 5000])
def test_more_than_can_be_counted_is_a_lot(number: str) -> None:
    """Two centuries and four exbibytes: a moment that long ago can be named, and memory that large be asked for."""
    assert datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=seconds(f"{number}d")) > datetime.min.replace(tzinfo=UTC)
    assert size_bytes(f"{number}TiB") == 2**62
    assert (seconds(f"{'0' * 5000}1s"), size_bytes(f"{'0' * 5000}1B")) == (1, 1)


@pytest.mark.parametrize("text", ["10", "ten", "10 m", "-1s", "1GB"])
def test_a_number_without_its_unit_is_refused(text: str) -> None:
    """A bare number could mean anything."""
    with pytest.raises(ValueError, match="is not a"):
        seconds(text)
    with pytest.raises(ValueError, match="is not a"):
        size_bytes(text)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("team/app", "team/*", True),
        ("team/sub/app", "team/*", False),
        ("team/sub/app", "team/**", True),
        ("app", "**/app", True),
        ("x/y/app", "**/app", True),
        ("registry.example.com/a", "registry?example.com/a", True),
        ("registryXexample.com/a", "registry.example.com/*", False),
        ("a\nb", "a*", True),
    ],
)
def test_a_star_stays_within_a_component(name: str, pattern: str, expected: bool) -> None:
    """`*` does not cross a slash, `**` does, and a dot is a dot."""
    assert glob_match(name, pattern) is expected
    assert glob_any(name, ["nothing", pattern]) is expected


def test_a_secret_never_shows_itself() -> None:
    """Neither its text nor its repr is the value."""
    secret = Secret("hunter2")
    assert f"{secret} {secret!r}" == "*** ***"
    assert secret.reveal() == "hunter2"


def test_a_secret_compares_any_text() -> None:
    """Text that is not ASCII, or not even Unicode, is simply not equal."""
    assert Secret("hunter2").matches("hunter2")
    assert not Secret("hunter2").matches("höhle")
    assert not Secret("hunter2").matches("\udcff")


def test_a_secret_reference_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file loses its last newline; the environment is read as it is."""
    (tmp_path / "secret").write_text("a\n\n")
    monkeypatch.setenv("SOME_SECRET", "b")
    assert resolve(f"file:{tmp_path / 'secret'}").reveal() == "a\n"
    assert resolve("env:SOME_SECRET").reveal() == "b"


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:/does/not/exist", "file:/dev/null"])
def test_a_secret_that_is_not_there_is_named(reference: str) -> None:
    """The reference is named, so that the operator knows which one."""
    with pytest.raises(ConfigurationError, match=reference.partition(":")[2]):
        resolve(reference)


def test_yaml_remembers_where_everything_stands() -> None:
    """A key's line and column for collections, a value's for scalars."""
    (source,) = parse_yaml("a:\n  - b: 1\n    c: two\n", "f.yaml")
    assert source.value == {"a": [{"b": 1, "c": "two"}]}
    assert source.at(("a", 0, "c")) == "f.yaml:3:8"
    assert source.at(("a", 0, "missing")) == "f.yaml:2:5"
    assert source.at_msgspec("Expected `int`, got `str` - at `$.a[0].c`") == "f.yaml:3:8: expected `int`, got `str`"
    assert source.at_msgspec("Object contains unknown field `b` - at `$.a[0]`") == "f.yaml:2:5: object contains unknown field `b`"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "f.yaml:2:1: duplicate key 'a'"),
        ("a: [1\n", "f.yaml:2:1"),
        ("? [a]\n: 1\n", "f.yaml:1:3: keys must be text"),
        ("a: &a [1, *a]\n", "f.yaml"),
        ("a: !!python/object/apply:os.system [ls]\n", "f.yaml"),
    ],
)
def test_yaml_that_hides_something_is_an_error(text: str, message: str) -> None:
    """Duplicate keys, odd keys, loops and tags of programming languages."""
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "f.yaml")
    assert str(caught.value).startswith(message)


def test_yaml_that_expands_without_end_is_refused() -> None:
    """A billion laughs cost no more than a bounded number of values."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
    )
    with pytest.raises(ConfigurationError, match="more than"):
        parse_yaml(bomb, "f.yaml")


@pytest.mark.parametrize(
    "text",
    ["[" * 40_000, "{a: " * 40_000, "- " * 40_000 + "a", "? " * 40_000 + "a", "".join(" " * level + "a:\n" for level in range(99))],
    ids=["lists", "mappings", "sequences", "keys", "indented"],
)
def test_yaml_that_is_too_deep_is_refused(text: str) -> None:
    """At the place where it goes too far. What composes YAML ends the process when it is asked to go deep enough."""
    with pytest.raises(ConfigurationError, match=r"^f\.yaml:\d+:\d+: nested more than 64 deep$"):
        parse_yaml(text, "f.yaml")


def test_an_alias_that_contains_itself_is_refused() -> None:
    """It would be endless."""
    for text in ("a: &a [*a]", "&a {b: *a}", "a: &a {b: &b [*a, *b]}"):
        with pytest.raises(ConfigurationError, match=r"^f\.yaml:\d+:\d+: nested more than 64 deep$"):
            parse_yaml(text, "f.yaml")


def test_aliases_that_lead_deep_are_refused() -> None:
    """However flat the text is."""
    text = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 3000))
    with pytest.raises(ConfigurationError, match="nested more than 64 deep"):
        parse_yaml(text, "f.yaml")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: " + "1" * 5000, r"f\.yaml:1:4: not a value that can be read as int"),
        ("a: !!bool perhaps", r"f\.yaml:1:4: not a value that can be read as bool"),
        ("a: !!int ''", r"f\.yaml:1:4: not a value that can be read as int"),
        ("a: !!float one", r"f\.yaml:1:4: not a value that can be read as float"),
        ("a: !!binary =", r"f\.yaml:1:4: tag tag:yaml.org,2002:binary means nothing here"),
        ("a: !!timestamp never", r"f\.yaml:1:4: tag tag:yaml.org,2002:timestamp means nothing here"),
        ("a: b\0", r"f\.yaml: cannot be read as YAML: .*, character 5"),
    ],
)
def test_a_value_that_is_none_is_refused(text: str, what: str) -> None:
    """With its place, in one sentence."""
    with pytest.raises(ConfigurationError, match=f"^{what}$"):
        parse_yaml(text, "f.yaml")


async def test_a_wakeup_rung_early_is_not_missed() -> None:
    """Work that arrives between two looks is found without waiting."""
    wakeup = Wakeup()
    wakeup.ring()
    await wakeup.wait(3600)


async def test_a_wakeup_ends_by_itself() -> None:
    """Nobody waits for ever on a hint."""
    await Wakeup().wait(0.001)


def test_what_happens_often_is_said_once_a_minute_with_how_often() -> None:
    """Each kind for itself; what was not said is counted into what is said next."""
    now = [0.0]
    seldom = Seldom(clock=lambda: now[0])
    assert [seldom.times("a"), seldom.times("a"), seldom.times("b"), seldom.times("a")] == [1, 0, 1, 0]
    now[0] = 60.0
    assert [seldom.times("a"), seldom.times("a"), seldom.times("b")] == [3, 0, 1]
