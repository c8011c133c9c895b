"""Go's build information in executables."""

from collections.abc import Callable

import pytest

from tests.doubles.cataloging import database_of, facts_of
from tests.doubles.executables import build_info, elf, framed, mach, pe, pointing
from watcher.inspection.catalogers.native import NativeCataloger
from watcher.inspection.catalogers.protocol import PartlyReadError
from watcher.model.inventory import PackageRecord

cataloger = NativeCataloger()
PATH = "usr/local/bin/tool"
SIMPLE = "path example.com/tool\nmod example.com/tool v1.2.3 h1:x\ndep example.com/One v0.1.0 h1:x"


def packages(content: bytes) -> tuple[PackageRecord, ...]:
    database = database_of(cataloger, PATH, content)
    assert database is not None
    return database.packages


def versions(modules: str, release: str = "go1.22.1") -> dict[str, str]:
    return {each.name: each.version for each in packages(elf(build_info(release, framed(modules))))}


def unread(content: bytes) -> tuple[str, dict[str, str]]:
    with pytest.raises(PartlyReadError) as raised:
        facts_of(cataloger, PATH, content)
    (database,) = raised.value.facts
    return str(raised.value), {each.name: each.version for each in database.packages}


@pytest.mark.parametrize("piece", [0, 1, 13, 64])
def test_modules_and_the_standard_library_are_packages(piece: int) -> None:
    """By the names and versions that advisories have; in the purl a name is in lower case, and a release without `go`."""
    (database,) = facts_of(cataloger, PATH, elf(bytes(5) + build_info("go1.22.1", framed(SIMPLE))), piece=piece)
    assert [(each.name, each.source, each.version, each.purl) for each in database.packages] == [
        ("stdlib", "stdlib", "go1.22.1", "pkg:golang/stdlib@1.22.1"),
        ("example.com/tool", "example.com/tool", "v1.2.3", "pkg:golang/example.com/tool@v1.2.3"),
        ("example.com/One", "example.com/One", "v0.1.0", "pkg:golang/example.com/one@v0.1.0"),
    ]


@pytest.mark.parametrize(
    ("made", "begins", "size", "order"),
    [
        (elf, 120, 8, "<"),
        (lambda content: elf(content, wide=False), 84, 4, "<"),
        (lambda content: elf(content, wide=False, order=">"), 84, 4, ">"),
        (pe, 240, 8, "<"),
        (mach, 176, 8, "<"),
        (lambda content: mach(content, order=">"), 176, 8, ">"),
    ],
)
@pytest.mark.parametrize("piece", [0, 1, 50])
def test_pointers_of_old_go_are_followed(made: Callable[[bytes], bytes], begins: int, size: int, order: str, piece: int) -> None:
    """In each format, word and order of bytes, to texts that came by before."""
    content = made(pointing(begins, b"go1.16.5", framed(SIMPLE), size=size, order=order))
    (database,) = facts_of(cataloger, PATH, content, piece=piece)
    assert [(each.name, each.version) for each in database.packages] == [
        ("stdlib", "go1.16.5"),
        ("example.com/tool", "v1.2.3"),
        ("example.com/One", "v0.1.0"),
    ]


def test_pointers_to_nothing_leave_the_modules() -> None:
    """And it is said that the release of Go was not read."""
    content = elf(pointing(120, b"go1.16.5", framed(SIMPLE)))
    told, found = unread(content.replace(b"go1.16.5", b"xx1.16.5"))
    assert "the release of Go" in told
    assert found == {"example.com/tool": "v1.2.3", "example.com/One": "v0.1.0"}
    assert unread(elf(framed(SIMPLE)))[1] == found


def test_a_program_without_a_build_information_has_the_only_release_in_it() -> None:
    """As esbuild is linked; of two it is not known which, and one without a patch is the name of something in Go."""
    listed = framed(SIMPLE)
    (database,) = facts_of(cataloger, PATH, elf(b"go1.26" + bytes(9) + b"go1.26.5reflect" + bytes(9) + listed))
    assert {each.name: each.version for each in database.packages}["stdlib"] == "go1.26.5"
    for several in (b"go1.26.5\0go1.26.4\0", b"go1.26\0"):
        assert "the release of Go" in unread(elf(several + listed))[0]


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("go1.22.1 X:loopvar", "go1.22.1"),
        ("go1.26.0-X:jsonv2,greenteagc", "go1.26.0"),
        ("go1.26.5 (Red Hat 1.26.5-1.el10)", "go1.26.5"),
        ("devel go1.23-1a2b3c4 Mon Jan 1", "devel go1.23-1a2b3c4 Mon Jan 1"),
    ],
)
def test_a_release_is_what_it_was_before_it_was_built(release: str, version: str) -> None:
    """Advisories know nothing of experiments and vendors."""
    assert versions("", release) == {"stdlib": version}


def test_what_replaced_a_module_is_what_is_there() -> None:
    """Under its own name, unless it is a directory, which is no name."""
    found = versions(
        "mod example.com/tool v1.2.3 h1:x\n"
        "dep example.com/a v0.1.0\n=> example.com/fork v0.2.0 h1:x\n"
        "dep example.com/b v0.1.0\n=> ./b (devel)\n"
        "dep example.com/c v0.1.0\n=> /src/c\n"
        "dep  v0.1.0"
    )
    assert found == {
        "stdlib": "go1.22.1",
        "example.com/tool": "v1.2.3",
        "example.com/fork": "v0.2.0",
        "example.com/b": "(devel)",
        "example.com/c": "(devel)",
    }


MAIN = "mod example.com/tool (devel)\n"


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ("", "(devel)"),
        ("build vcs.revision=41bc6bb410352845f22766e27dd48ba93aa825a4\nbuild vcs.time=2022-10-14T19:54:57Z", ""),
        ('build -ldflags="-s\t-X\tmain.version=1.2.3-rc.1"', "v1.2.3-rc.1"),
        ("build -ldflags=`-X=example.com/tool/internal/v.gitVersion=v1.2.3+k3s2`", "v1.2.3+k3s2"),
        ("build -ldflags=\"-X\t'main.goVersion=1.20.1'\t-X\t'main.Version=4.5.6'\"", "v4.5.6"),
        ('build -ldflags="-X\tgithub.com/prometheus/common/version.Version=2.45.0"', "v2.45.0"),
        ('build -ldflags="-X\tmain.gitTag=v3.0.0"', "v3.0.0"),
        ('build -ldflags="-X\texample.com/other/version.Version=1.2.3\t-X\tmain.kubectlVersion=0.26.11"', "(devel)"),
        ("build vcs.revision=41bc6bb410352845f22766e27dd48ba93aa825a4\nbuild vcs.time=yesterday", "(devel)"),
    ],
)
def test_a_main_module_has_the_version_it_was_told_or_its_commit(settings: str, version: str) -> None:
    """What is of another program, as kubectlVersion, is not its version."""
    assert versions(MAIN + settings)["example.com/tool"] == (version or "v0.0.0-20221014195457-41bc6bb41035")


def test_a_program_of_files_has_the_one_module_that_was_built_here() -> None:
    """Its main module is called after the command line, or not at all."""
    found = versions("path command-line-arguments\ndep example.com/tool (devel)\ndep example.com/a v1.0.0 h1:x")
    assert found == {"stdlib": "go1.22.1", "example.com/tool": "(devel)", "example.com/a": "v1.0.0"}
    assert versions("path command-line-arguments")["command-line-arguments"] == "(devel)"


def test_the_programs_of_go_itself_are_its_toolchain() -> None:
    """So they are called in advisories."""
    *_, program = packages(elf(build_info("go1.22.1", framed("path cmd/compile"))))
    assert (program.name, program.source, program.version) == ("cmd/compile", "toolchain", "go1.22.1")


def test_a_program_within_a_program_is_read_as_well() -> None:
    """As data of it; what both have is there once."""
    inner = elf(build_info("go1.16", framed("mod example.com/inner v1.0.0 h1:x")))
    found = packages(elf(inner + build_info("go1.22.1", framed(SIMPLE)) + framed(SIMPLE)))
    assert [(each.name, each.version) for each in found] == [
        ("stdlib", "go1.16"),
        ("example.com/inner", "v1.0.0"),
        ("stdlib", "go1.22.1"),
        ("example.com/tool", "v1.2.3"),
        ("example.com/One", "v0.1.0"),
    ]


def test_the_marks_in_a_program_that_looks_for_them_say_nothing() -> None:
    """As of Go's own tools, and of ours."""
    marks = b"\xff Go buildinf:" + b"path\tmod\tdep\tbuild not a Go executable" + bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
    for content in (marks, marks[:20], marks + bytes(5000), b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\x03abc"):
        assert facts_of(cataloger, PATH, elf(content)) == ()


def test_a_list_that_ends_with_the_file_is_not_read_in_silence() -> None:
    """Nor one that is longer than any."""
    whole = build_info("go1.22.1", framed(SIMPLE))
    assert unread(elf(whole[:-20])) == (
        "usr/local/bin/tool: a list of modules of a Go program was not read",
        {"stdlib": "go1.22.1"},
    )
    assert unread(elf(whole[:41] + b"\xff\xff\xff\x7f" + whole[41:]))[1]["stdlib"] == "go1.22.1"


def test_builds_without_end_are_not_read_in_silence() -> None:
    """Only so many are held; the rest is known to be there."""
    told, found = unread(elf(b"".join(build_info(f"go1.{number}", framed("")) for number in range(100))))
    assert "list of modules" in told
    assert found
    told, _ = unread(elf(build_info("go1.22.1", framed(SIMPLE)) + b"go1." * 70_000))
    assert "more marks" in told
