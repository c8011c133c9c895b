"""Programs that nobody packaged, by the texts they say their version with.

tests/golden/programs/snippets.json has such texts, most of them cut from the fixtures of syft (Apache-2.0; directory
syft/pkg/cataloger/binary/testdata/classifiers of github.com/anchore/syft), where they were taken from published binaries.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.cataloging import database_of, facts_of
from tests.doubles.executables import build_info, elf, framed
from watcher.inspection.catalogers.native import NativeCataloger
from watcher.inspection.catalogers.native_programs_table import PROGRAMS

cataloger = NativeCataloger()
GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SNIPPETS: list[dict[str, Any]] = json.loads((GOLDEN / "programs" / "snippets.json").read_text(encoding="utf-8"))


def found(path: str, content: bytes, piece: int = 0) -> list[tuple[str, str]]:
    return [(each.name, each.version) for facts in facts_of(cataloger, path, content, piece=piece) for each in facts.packages]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: f"{snippet['packages'][0][0]} {snippet['packages'][0][1]}")
def test_a_program_is_known_by_its_text(snippet: dict[str, Any]) -> None:
    """Wherever in the file it is, and however that comes by."""
    text = snippet["content"].encode("latin-1")
    expected = [tuple(package) for package in snippet["packages"]]
    assert found(snippet["path"], elf(b" \n" + text + b" \n" * 2000)) == expected
    assert found(snippet["path"], elf(b" \n" * 3000 + text), 4099) == expected


def test_there_is_a_text_of_every_program() -> None:
    """So that none is known by a pattern that nothing fulfils."""
    assert {name for snippet in SNIPPETS for name, _ in snippet["packages"]} == {program.name for program in PROGRAMS}


def test_a_program_is_what_it_is_called() -> None:
    """The same text in a file of another name is that of a library or a copy in something else."""
    content = elf(b"\0nginx version: nginx/1.25.1\0")
    assert found("usr/sbin/nginx", content) == [("nginx", "1.25.1")]
    assert found("usr/sbin/nginx-tool", content) == []


def test_a_program_has_a_purl_without_a_registry() -> None:
    """As syft writes it."""
    database = database_of(cataloger, "opt/java/bin/java", elf(b"\0openjdk\0java\x000.0\x0011.0.17+8-LTS\0"))
    assert database is not None
    (package,) = database.packages
    assert (package.type, package.source, package.purl) == ("generic", "openjdk", "pkg:generic/oracle/openjdk@11.0.17%2B8-LTS")


def test_a_python_has_the_version_that_its_file_is_called_after() -> None:
    """Others are of what it was built with."""
    content = elf(b"\x002.7.18\0\x003.11.2+\0")
    assert found("usr/bin/python3.11", content) == [("python", "3.11.2+")]
    assert found("usr/bin/python3.12", content) == []
    assert found("usr/bin/python3", content) == []


def test_what_go_says_of_its_main_module_is_not_said_twice() -> None:
    """The module has the name that advisories have."""
    inside = b"\0v3.11.1\0\0"
    told = elf(inside + build_info("go1.22.1", framed("mod helm.sh/helm/v3 v3.11.1 h1:x")))
    assert found("usr/bin/helm", told) == [("stdlib", "go1.22.1"), ("helm.sh/helm/v3", "v3.11.1")]
    untold = elf(inside + build_info("go1.22.1", framed("mod helm.sh/helm/v3 (devel)")))
    assert found("usr/bin/helm", untold) == [("stdlib", "go1.22.1"), ("helm.sh/helm/v3", "(devel)"), ("helm", "3.11.1")]


def test_programs_that_are_texts_are_read_by_their_names() -> None:
    """They begin as no executable does."""
    assert found("usr/local/bin/composer", b"#!/usr/bin/env php\n'pretty_version' => '2.7.1',") == [("composer", "2.7.1")]
    assert b"composer" in cataloger.selection.names


def test_a_file_full_of_what_looks_like_it_costs_little() -> None:
    """A text that is part of a pattern is looked at a few times a piece."""
    assert found("usr/bin/envoy", elf(b"envoy_reloadable_features\0envoy_quic_" * 20_000), 65_536) == []
    assert found("usr/bin/redis-server", elf(b"\0Redis version 1.x" * 20_000), 65_536) == []
