"""What an expression reads, down to the fields of list elements."""

import pytest

from watcher.evaluation.document.types import environment, sections_of
from watcher.evaluation.rules.syntax_tree import Reads, reads


def read_by(text: str, collection: str | None = "files", variable: str = "f") -> Reads:
    return reads(environment(collection, variable).compile(text).serialize())


def paths(text: str) -> set[str]:
    return {".".join(path) for path in read_by(text).paths}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f.suid || f.sgid", {"f.suid", "f.sgid"}),
        ("image.config.user == event.tag", {"image.config.user", "event.tag"}),
        ("base.froms.exists(x, x.ref == '')", {"base.froms.#", "base.froms.*.ref"}),
        ("base.froms.size() == 0", {"base.froms.#"}),
        ("size(base.froms) == 0", {"base.froms.#"}),
        ("base.froms[0].ref == ''", {"base.froms.*.ref"}),
        ("image.labels['a'] == ''", {"image.labels.*"}),
        ("image.labels[event.tag] == ''", {"image.labels", "event.tag"}),
        ("base.froms.filter(x, x.ref == '').size() > 0", {"base.froms.#", "base.froms.*.ref"}),
        ("base.froms.filter(x, x.ref == '').exists(y, y.digest == '')", {
            "base.froms.#", "base.froms.*.ref", "base.froms.*.digest",
        }),
        ("base.froms.filter(x, x.ref == '') == []", {"base.froms.#", "base.froms.*.ref", "base.froms.*"}),
        ("base.froms.map(x, x.ref).exists(y, y == '')", {"base.froms.#", "base.froms.*.ref"}),
        ("base.froms.all(x, base.ancestors.exists(y, y.ref == x.ref))", {
            "base.froms.#", "base.froms.*.ref", "base.ancestors.#", "base.ancestors.*.ref",
        }),
        ("cel.bind(c, image.config, c.user == '')", {"image.config"}),
        ("[event.tag].exists(f, f == '')", {"event.tag"}),
        ("{'a': event.tag}['a'] == ''", {"event.tag"}),
        ("[image.config][0].user == ''", {"image.config"}),
    ],
)  # fmt: skip
def test_paths_end_where_a_value_is_used(text: str, expected: set[str]) -> None:
    """Names that an expression binds itself stand for what they go through; what cannot be followed is read whole."""
    assert paths(text) == expected


def test_asking_is_not_reading() -> None:
    """`has()` and `?` read whether a value is there, which is noted apart."""
    asked = read_by("has(f.sha256) && f.sha256 == 'x'")
    assert set(asked.paths) == set(asked.asked) == {("f", "sha256")}
    optional = read_by("f.?sha256.orValue('') == ''")
    assert not optional.paths
    assert set(optional.asked) == {("f", "sha256")}


def test_lists_and_patterns_are_noted() -> None:
    """Names of lists and literal patterns can be checked at load; a computed name cannot."""
    found = read_by("f.path in lists['a'] && lists.b.exists(x, x == f.path) && f.path.matches('^x')")
    assert (set(found.lists), found.any_list, set(found.patterns)) == ({"a", "b"}, False, {"^x"})
    assert read_by("f.path in lists[event.tag]").any_list
    assert read_by("lists.size() > 0").any_list


@pytest.mark.parametrize(
    ("path", "sections"),
    [
        (("event", "tag"), set()),
        (("image", "config", "user"), {"config"}),
        (("image", "config", "effective_uid"), {"config", "effective-user"}),
        (("image", "config"), {"config", "effective-user"}),
        (("base", "known"), set()),
        (("base", "froms", "#"), {"base"}),
        (("base", "froms", "*", "ref"), {"base"}),
        (("base", "froms"), {"base"}),
        (("dockerfile", "images", "*", "image", "ref"), {"dockerfile"}),
        (("data", "vulnerability_covered"), {"vulnerabilities"}),
        (("f", "path"), set()),
        (("f", "from_base"), {"base"}),
        (("inspect.v1.Severity.HIGH",), set()),
    ],
)
def test_a_path_rests_on_sections(path: tuple[str, ...], sections: set[str]) -> None:
    """A value that is used whole rests on everything in it."""
    assert sections_of(path, collection="files", variable="f") == sections
