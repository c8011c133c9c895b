"""What the documentation lists is what the code has."""

import re
from pathlib import Path

from tools.reference import generated
from watcher.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def test_generated_pages_are_up_to_date() -> None:
    """`python tools/reference.py` changes nothing."""
    stale = [
        str(path.relative_to(ROOT)) for path, content in generated().items() if not path.exists() or path.read_text() != content
    ]
    assert stale == [], "run: python tools/reference.py"


def test_every_command_is_documented() -> None:
    """The page of commands has a line for each group."""
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    assert {name for name in COMMANDS if f"`watcher {name}" not in page} == set()


def test_links_of_the_documentation_lead_somewhere() -> None:
    """Relative links in every Markdown file name a file that exists."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_links_into_a_page_lead_to_a_heading() -> None:
    """`page.md#heading` and `#heading` name one that is there, as GitHub writes it."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}#{anchor}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text())
        if anchor not in anchors((page.parent / target) if target else page)
    ]
    assert broken == []


def test_every_page_is_found() -> None:
    """By its line in the index of the documentation; a runbook and a decision by that of their folders."""
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", index.read_text())}
    pages = {page for page in index.parent.glob("**/*.md") if page.parent.name not in ("adr", "runbooks")} - {index}
    assert sorted(str(page.relative_to(ROOT)) for page in pages - listed) == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_begins_with_the_two_commands() -> None:
    """A stranger who has just cloned the project finds them first."""
    lines = (ROOT / "README.md").read_text().splitlines()[:12]
    assert any("make demo" in line for line in lines)
    assert any("make test" in line for line in lines)
