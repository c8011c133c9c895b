"""Each contract of `[tool.importlinter]` is worth something: one wrong import breaks it."""

import copy

import grimp
import pytest
from importlinter import Contract, api
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

TYPES: dict[str, type[Contract]] = {"layers": LayersContract, "forbidden": ForbiddenContract, "protected": ProtectedContract}

# Contract → imports that somebody in a hurry would write, each of which it refuses.
WRONG: dict[str, list[tuple[str, str]]] = {
    "Data flows one way: every room knows only what is below it": [
        ("watcher.store.verdicts", "watcher.pipeline.judge"),
        ("watcher.kit.sqlite", "watcher.registry.protocol"),
        ("watcher.publishing.webhook", "watcher.backlog.protocol"),
        ("watcher.model.image", "watcher.kit.clock"),
    ],
    "Pure rooms do no I/O": [
        ("watcher.dialects.distribution", "aiohttp"),
        ("watcher.inspection.catalogers.apk", "subprocess"),
        ("watcher.reports.table", "structlog"),
    ],
    "Rooms meet at their Protocols: what is behind one is known to those who assemble": [
        ("watcher.pipeline.judge", "watcher.store.verdicts"),
        ("watcher.pipeline.intake", "watcher.dialects.distribution"),
        ("watcher.api.context", "watcher.backlog.sqlite"),
        ("watcher.api.hooks", "watcher.sources.webhook"),
        ("watcher.sources.webhook", "watcher.dialects.catalog"),
        ("watcher.inspection.inspector", "watcher.registry.client"),
        ("watcher.publishing.webhook", "watcher.registry.client"),
        ("watcher.publishing.context", "watcher.registry.access"),
        ("watcher.pipeline.pinning", "watcher.registry.access"),
    ],
    "What runs confined knows no network, no event loop and no secret": [
        ("watcher.inspection.confined.worker", "asyncio"),
        ("watcher.inspection.workers.messages", "asyncio"),  # indirectly too: what a worker imports runs in it
        ("watcher.inspection.confined.layer_reader", "watcher.registry.protocol"),
        ("watcher.inspection.catalogers.apk", "watcher.kit.secret"),
    ],
    "The daemon imports nothing that runs confined: it starts it by its name": [
        ("watcher.inspection.workers.zygote", "watcher.inspection.confined.worker"),
        ("watcher.inspection.inspector", "watcher.inspection.confined.tar"),
        ("watcher.daemon", "watcher.inspection.confined.sandbox"),
    ],
    "Pipeline: the loops and the judge are strangers, and stand on what decides": [
        ("watcher.pipeline.jobs", "watcher.pipeline.judge"),
        ("watcher.pipeline.judging", "watcher.pipeline.judge"),
        ("watcher.pipeline.lanes", "watcher.pipeline.jobs"),
    ],
    "Evaluation: rules run over policies as written and over the document they read": [
        ("watcher.evaluation.policies.reading", "watcher.evaluation.rules.compile"),
        ("watcher.evaluation.document.types", "watcher.evaluation.rules.syntax_tree"),
        ("watcher.evaluation.rules.run", "watcher.evaluation.child"),
    ],
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("watcher", include_external_packages=True, cache_dir=None)


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    configure()
    options = api.read_configuration()
    return {
        each["name"]: TYPES[each["type"]](name=each["name"], session_options=options["session_options"], contract_options=each)
        for each in options["contracts_options"]
    }


def is_kept(contract: Contract, graph: grimp.ImportGraph, *added: tuple[str, str]) -> bool:
    # A copy: a check takes out of the graph what the contract ignores.
    graph = copy.deepcopy(graph)
    for importer, imported in added:
        graph.add_import(importer=importer, imported=imported, line_number=1, line_contents=f"import {imported}")
    return contract.check(graph, verbose=False).kept


def test_every_contract_has_been_broken_on_purpose(contracts: dict[str, Contract]) -> None:
    """A contract that nobody has seen fail may be one that cannot."""
    assert set(WRONG) == set(contracts)


@pytest.mark.parametrize("name", WRONG)
def test_a_contract_holds_and_a_wrong_import_breaks_it(graph: grimp.ImportGraph, contracts: dict[str, Contract], name: str) -> None:
    """The code as it is keeps it; each of the wrong imports alone does not."""
    contract = contracts[name]
    assert is_kept(contract, graph)
    assert [wrong for wrong in WRONG[name] if is_kept(contract, graph, wrong)] == []


def test_the_modules_of_the_examples_exist(graph: grimp.ImportGraph) -> None:
    """An import of a module that is gone would break a contract for another reason, or none."""
    named = {module for examples in WRONG.values() for example in examples for module in example}
    assert {module for module in named if module.startswith("watcher.")} <= graph.modules
