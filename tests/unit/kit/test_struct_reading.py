"""Every mistake of a file, in words for who does not know our types."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import inspect

from watcher.kit.secret import SecretReference
from watcher.kit.struct_reading import read_struct
from watcher.kit.struct_words import Asked
from watcher.kit.suggestions import did_you_mean, one_of
from watcher.kit.units import Duration, Size
from watcher.kit.yaml_source import Path, parse_yaml


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="login"):
    username: str
    password: SecretReference


class Nobody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="nobody"):
    pass


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str
    timeout: Duration = "30s"
    room: Size = "1MiB"
    auth: Login | Nobody | None = None
    workers: Literal["auto"] | Annotated[int, msgspec.Meta(ge=1)] = "auto"
    rate: Annotated[float, msgspec.Meta(le=10)] | None = None
    only: tuple[str, ...] = ()
    some: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("a",)
    quiet: bool = False
    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{3}$")] = "000"
    lists: dict[str, tuple[str, ...]] = {}

    def __post_init__(self) -> None:
        if self.host == self.code:
            raise ValueError("host and code are the same")


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    entry: Entry | None = None
    entries: tuple[Entry, ...] = ()


def mistakes(text: str) -> list[str]:
    """Without the file."""
    (source,) = parse_yaml(text, "f")
    read, found = read_struct(source, File)
    assert (read is None) == bool(found)
    return [each.removeprefix("f:") for each in found]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("timeout: 30", '1:21: entry.timeout: 30 has no unit; write "30s" or "10m"'),
        ("timeout: '1.5'", '1:21: entry.timeout: 1.5 has no unit; write "1.5s" or "10m"'),
        ("timeout: 30 s", "1:21: entry.timeout: '30 s' is not a duration with its unit: 500ms, 30s, 10m, 24h, 7d"),
        ("room: 20", '1:18: entry.room: 20 has no unit; write "20MiB" or "20GiB"'),
        ("room: 20GB", "1:18: entry.room: '20GB' is not a size with its unit: 64KiB, 1MiB, 20GiB"),
        ("only: a", "1:18: entry.only: expected a list, found text"),
        ("only: [1]", "1:19: entry.only[0]: expected text, found 1; put it in quotes"),
        ("only: [true]", "1:19: entry.only[0]: expected text, found true; put it in quotes"),
        ("some: []", "1:12: entry.some: must not be empty"),
        ("quiet: maybe", "1:19: entry.quiet: expected true or false, found 'maybe'"),
        ("rate: much", "1:18: entry.rate: expected a number, found 'much'"),
        ("rate: 11", "1:18: entry.rate: expected 10.0 at most, found 11"),
        ("workers: all", "1:21: entry.workers: there is no 'all'; there are: a whole number, auto"),
        ("workers: 0", "1:21: entry.workers: expected 1 at least, found 0"),
        ("code: secret-word", "1:18: entry.code: what stands here does not match '^[0-9]{3}$'"),
        ("lists: {a: [], b: c}", "1:30: entry.lists.b: expected a list, found text"),
        ("auth: secret-word", "1:18: entry.auth: expected keys with values, found text"),
        ("auth: {type: lgin}", "1:25: entry.auth.type: there is no 'lgin'; there are: login, nobody; did you mean 'login'?"),
        ("auth: {}", "1:12: entry.auth: `type` is missing; there are: login, nobody"),
        (
            "auth: {type: login, username: x, password: secret-word}",
            "1:55: entry.auth.password: expected where the secret is kept, env:NAME or file:PATH; what stands here is not repeated",
        ),
        ("hots: x", "1:12: entry.hots: there is no key 'hots' here; did you mean 'host'?"),
        ("pasword: x", "1:12: entry.pasword: there is no key 'pasword' here; did you mean 'auth.password'?"),
        ("entries: []", "1:12: entry.entries: there is no key 'entries' here; it belongs one level higher"),
        ("code: '123', host: '123'", "1:1: entry: host and code are the same"),
    ],
)
def test_each_is_told_with_its_place_and_key(written: str, said: str) -> None:
    """What was found, and what was expected or may have been meant; nothing that may be a secret."""
    (found,) = mistakes(f"entry:  {{  {written}{'' if 'host:' in written else ', host: a'}}}")
    assert found == said
    assert "secret-word" not in found


def test_of_very_many_the_first_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may have been meant is looked for fifty times, however many keys nobody knows; how many there are is said."""
    looked = []
    possible = Asked.possible_at

    def counting(self: Asked, path: Path) -> Sequence[inspect.Type]:
        looked.append(path)
        return possible(self, path)

    monkeypatch.setattr(Asked, "possible_at", counting)
    found = mistakes("\n".join(f"entry{number}: 1" for number in range(3000)))
    assert len(found) == 51
    assert found[0].startswith("1:1: entry0: there is no key 'entry0' here; did you mean")
    assert found[49].startswith("50:1: entry49: there is no key")
    assert found[50] == " and more, 2950 at least"
    assert 50 <= len(looked) <= 200
    inner = mistakes("entry:\n  host: a\n" + "\n".join(f"  key{number}: 1" for number in range(60)))
    assert (len(inner), inner[50]) == (51, " and more, 1 at least")


def test_all_are_told_in_the_order_of_the_file() -> None:
    """Of each entry by itself; what belongs together says nothing where a part of it had its complaint."""
    text = """\
entries:
- {host: 1, code: 000, timeout: 5, quiet: x}
- {hst: a}
- 7
- {host: '123', code: '123', room: 1}
nothing: 1
"""
    assert [each.partition(": ")[2].partition(": ")[0] for each in mistakes(text)] == [
        "entries[0].host",
        "entries[0].code",
        "entries[0].timeout",
        "entries[0].quiet",
        "entries[1]",
        "entries[1].hst",
        "entries[2]",
        "entries[3].room",
        "nothing",
    ]
    assert mistakes("- a\n") == ["1:1: expected keys with values, found a list"]


def test_a_control_character_is_refused_at_its_place() -> None:
    """The system takes none of them in a path; of ends of lines and tabs a text may have as many as it wants."""
    text = 'entry: {host: "a\\0b", only: ["x", "\\e[1m"],\n  lists: {a: ["\\x7f"]}}\nentries: [{host: "a\\n\\tb"}]\n'
    told = [each.partition("; ")[0] for each in mistakes(text)]
    assert told == [
        "1:15: entry.host: control character U+0000",
        "1:35: entry.only[1]: control character U+001B",
        "2:15: entry.lists.a[0]: control character U+007F",
    ]


def test_what_is_good_is_read() -> None:
    (source,) = parse_yaml("entry: {host: a, auth: {type: nobody}}\nentries: [{host: b}]\n", "f")
    assert read_struct(source, File) == (File(entry=Entry(host="a", auth=Nobody()), entries=(Entry(host="b"),)), ())


def test_what_is_like_nothing_is_not_guessed() -> None:
    assert did_you_mean("zzz", ["host", "port"]) == ""
    assert did_you_mean("HOTS", ["host", "port"]) == "; did you mean 'host'?"
    assert one_of("x", []) == "there are: none"
