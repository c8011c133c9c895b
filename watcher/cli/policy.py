"""`watcher policy check|test|schema`: policies read, typed and tested without an image."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from rich.text import Text

from watcher import settings as configuration
from watcher.cli import completing
from watcher.cli.options import config_option, optional_configuration
from watcher.cli.terminal import console
from watcher.evaluation.policies.json_schemas import policy_schema, policy_test_schema
from watcher.evaluation.policies.loading import PolicySources, load_policies, load_settings, pack_names
from watcher.evaluation.policy_tests import TestReport, run_tests
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.kit.counted import counted
from watcher.kit.printable import printable
from watcher.model.errors import PolicyError

EXIT_FAIL = 1
EXIT_USAGE = 2
SCHEMAS = {"policy": policy_schema, "policytest": policy_test_schema, "config": configuration.schema}

output_option = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
pack_option = click.option(
    "--pack", "packs", multiple=True, metavar="NAME", shell_complete=completing.packs, help="Policies shipped with this program."
)


@click.group()
@config_option
def policy() -> None:
    """Check and test policies."""


@policy.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@pack_option
@output_option
@config_option
def check(paths: tuple[Path, ...], packs: tuple[str, ...], output: str) -> None:
    """Check types and schema of all documents under the paths together; without a path those of the configuration.

    What looks at no policy at all ends with 2.
    """
    with _told_as(output):
        asked = _asked_for(packs, paths)
        sources = asked.sources
        compiled = _compiled(sources)
        if not compiled.policies:
            raise PolicyError(f"{asked.where}: no Policy in it, so that nothing was checked")
    cases = sum(len(test.document.cases) for test in sources.documents.tests)
    if output == "json":
        named = [{"name": each.name, "version": each.version, "rules": len(each.rules)} for each in compiled.policies]
        answer = {"problems": [], "of": asked.where, "policies": named, "cases": cases, "revision": sources.revision}
        click.echo(msgspec.json.encode(answer))
        return
    rules = counted(sum(len(each.rules) for each in compiled.policies), "rule")
    policies = counted(len(compiled.policies), "policy", "policies")
    click.echo(f"good: {policies}, {rules}, {counted(cases, 'test case')}; of {asked.where}")


@policy.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@pack_option
@click.option("--min-coverage", type=click.FloatRange(0, 100), default=0.0, metavar="PERCENT", help="Of rules that must fire.")
@output_option
@config_option
def test(paths: tuple[Path, ...], packs: tuple[str, ...], min_coverage: float, output: str) -> None:
    """Run the PolicyTest documents under the paths, and those of the packs named; 1 when a case fails or too little fires.

    Without a path those of the configuration. A run of no case at all ends with 2.
    """
    with _told_as(output):
        asked = _asked_for(packs, paths)
        report = run_tests(_compiled(asked.sources), asked.sources.documents.tests)
        if not report.cases:
            raise PolicyError(f"{asked.where}: no PolicyTest in it, so that nothing was tested")
    if output == "json":
        click.echo(msgspec.json.encode(_report_json(report)))
    else:
        _print_report(report, min_coverage)
    if not report.passed(min_coverage_percent=min_coverage):
        click.get_current_context().exit(EXIT_FAIL)


@policy.command()
@click.option("--kind", type=click.Choice(list(SCHEMAS)), default="policy", show_default=True)
@config_option
def schema(kind: str) -> None:
    """Print a JSON Schema, for editors."""
    click.echo(json.dumps(SCHEMAS[kind](), indent=2))


class _Asked(NamedTuple):
    """What `check` and `test` are about, and what a person calls it."""

    sources: PolicySources
    where: str


def _asked_for(packs: Sequence[str], paths: Sequence[Path]) -> _Asked:
    """Nothing that was not named, or the configuration when nothing was. Raises ConfigurationError."""
    if packs or paths:
        return _Asked(load_policies(packs, paths), _named(packs, map(str, paths)))
    read = optional_configuration()
    if read is None:
        packs_there = ", ".join(f"--pack {name}" for name in pack_names())
        raise PolicyError(
            f"no PATH, no --pack and no configuration here, so that there is nothing to look at; name one: {packs_there}"
        )
    chosen = read.settings.policies
    beside = load_settings(chosen, beside=read.folder)
    return _Asked(beside, f"{read.source.file}: {_named(chosen.packs, [chosen.path] if chosen.path else [])}")


def _named(packs: Sequence[str], paths: Iterable[str]) -> str:
    return ", ".join([*(f"the pack {name}" for name in packs), *paths]) or "no pack and no path"


@contextmanager
def _told_as(output: str) -> Iterator[None]:
    """What is wrong with policies goes where the answer would have gone. Ends with 2."""
    try:
        yield
    except PolicyError as error:
        if output != "json":
            raise
        click.echo(msgspec.json.encode({"problems": str(error).splitlines()}))
        click.get_current_context().exit(EXIT_USAGE)


def _compiled(sources: PolicySources) -> PolicySet:
    return PolicySet.compile(sources.documents.policies, revision=sources.revision, on_no_match=sources.on_no_match)


def _print_report(report: TestReport, min_coverage: float) -> None:
    terminal = console()
    for case in report.cases:
        for problem in case.problems:
            line = Text.assemble(("FAIL ", "bold red"), f"{case.place}: {printable(case.name)}: {printable(problem)}")
            terminal.print(line)
    failed = sum(not case.passed for case in report.cases)
    fired = len(report.rules) - len(report.never_fired)
    if report.never_fired:
        terminal.print(Text(f"never fired: {', '.join(report.never_fired)}", style="yellow"))
    if report.coverage_percent < min_coverage:
        terminal.print(Text(f"coverage is {report.coverage_percent:.0f} %, less than {min_coverage:g} %", style="bold red"))
    style = "bold green" if report.passed(min_coverage_percent=min_coverage) else "bold red"
    summary = f"{len(report.cases) - failed} passed, {failed} failed, coverage {fired}/{len(report.rules)} rules"
    terminal.print(Text(summary, style=style))


def _report_json(report: TestReport) -> dict[str, Any]:
    failed = sum(not case.passed for case in report.cases)
    return {
        "passed": len(report.cases) - failed,
        "failed": failed,
        "coverage_percent": report.coverage_percent,
        "rules": list(report.rules),
        "never_fired": list(report.never_fired),
        "cases": [
            {
                "name": case.name,
                "place": case.place,
                "passed": case.passed,
                "problems": list(case.problems),
                "outcome": case.judgement.outcome.value,
            }
            for case in report.cases
        ],
    }
