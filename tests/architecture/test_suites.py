"""Every Protocol has its suite, and whatever has its shape is held to it: an adapter that nobody listed makes this red.

Adapters are found by their shape, as the type checker finds them: in `watcher`, and in the doubles that stand in for it.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

import watcher
from tests.contract.test_changes_contract import PLACES as CHANGES
from tests.contract.test_credentials_contract import PLACES as CREDENTIALS
from tests.contract.test_dialect_contract import ALL as DIALECTS
from tests.contract.test_doorman_contract import SENDERS
from tests.contract.test_evaluator_contract import EVALUATORS
from tests.contract.test_file_rows_contract import KEPT as FILES
from tests.contract.test_gatherer_contract import PLACES as GATHERERS
from tests.contract.test_holdings_contract import KEPT as HOLDINGS
from tests.contract.test_image_source_contract import PLACES as IMAGES
from tests.contract.test_inbox_contract import INBOXES
from tests.contract.test_inspector_contract import INSPECTORS
from tests.contract.test_intake_contract import INTAKES
from tests.contract.test_known_bases_contract import BENCHES as BASES
from tests.contract.test_layer_cache_contract import CACHES
from tests.contract.test_listing_contract import OPENED as LISTINGS
from tests.contract.test_mark_search_contract import SEARCHES
from tests.contract.test_progress_contract import PROGRESSES
from tests.contract.test_publisher_contract import PLACES as PUBLISHERS
from tests.contract.test_quarantine_driver_contract import CLASSES as DRIVERS
from tests.contract.test_registries_contract import KINDS as REGISTRIES
from tests.contract.test_source_contract import BENCHES
from tests.contract.test_tracker_contract import TRACKERS
from tests.doubles.backlogs import BACKLOGS
from watcher.advisories.enquiries import Data
from watcher.advisories.protocol import FirstSeen, KnownVulnerabilities
from watcher.api.context import Completeness, Submissions
from watcher.backlog.protocol import Backlog, BacklogKeeper, BacklogReader, Inbox
from watcher.dialects.protocol import Dialect
from watcher.evaluation.current import ClosableEvaluator
from watcher.evaluation.document.files import FileRows
from watcher.evaluation.protocol import Evaluator
from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.native_search import MarkSearch
from watcher.inspection.catalogers.protocol import Cataloger, Reading, Selecting, StreamCataloger, is_stream
from watcher.inspection.catalogers.zip_stream import Sink
from watcher.inspection.confined.secret_stream import Rules
from watcher.inspection.protocol import ImageInspector, KnownBases, LayerCache
from watcher.pipeline.protocol import Changes, Gatherer, HeldImages, Marks, Standing
from watcher.publishing.protocol import (
    GatheringPublisher,
    Judgements,
    Labels,
    OwnWrites,
    Progress,
    Publisher,
    Pushes,
    Quarantines,
    Sboms,
    SubjectLocks,
    TagHistory,
    Tickets,
)
from watcher.publishing.quarantine.protocol import QuarantineDriver
from watcher.publishing.ticket_flow import Tracker
from watcher.registry.archives import Files
from watcher.registry.credentials import CredentialSource
from watcher.registry.protocol import (
    ImageSource,
    Listing,
    Manifests,
    OwnApi,
    Referrers,
    Registries,
    Uploads,
    WritableRegistries,
)
from watcher.sources.context import Holdings
from watcher.sources.protocol import Hook, Intake, Source
from watcher.sources.pubsub_stream_client import Ears
from watcher.sources.webhook import Doorman
from watcher.store.protocol import FailedPublications, ImageReader, Outbox, PackageIndex, VerdictStore
from watcher.store.statements import Transactions

PROJECT = Path(__file__).parents[2]

# Protocol → the classes that its suite runs over. Where they can be configured, the suite is compared with the settings as well.
SUITES: Mapping[type, Collection[type]] = {
    Backlog: BACKLOGS.values(),
    BacklogKeeper: BACKLOGS.values(),
    BacklogReader: BACKLOGS.values(),
    Cataloger: [type(each) for each in CATALOGERS.values() if not is_stream(each)],
    Changes: [adapter for adapter, _ in CHANGES.values()],
    CredentialSource: [adapter for adapter, _ in CREDENTIALS.values()],
    Dialect: [type(each) for each in DIALECTS.values()],
    Doorman: [adapter for adapter, _ in SENDERS.values()],
    Evaluator: EVALUATORS,
    FileRows: FILES,
    Gatherer: [adapter for adapter, _ in GATHERERS.values()],
    Holdings: [adapter for adapter, _ in HOLDINGS.values()],
    ImageInspector: INSPECTORS,
    ImageSource: [adapter for adapter, _ in IMAGES.values()],
    Inbox: INBOXES,
    Intake: INTAKES,
    KnownBases: BASES,
    LayerCache: CACHES,
    Listing: LISTINGS,
    MarkSearch: SEARCHES,
    Progress: PROGRESSES,
    Publisher: PUBLISHERS,
    QuarantineDriver: DRIVERS,
    Registries: REGISTRIES,
    Source: [adapter for adapter, _ in BENCHES.values()],
    Tracker: TRACKERS,
    StreamCataloger: [type(each) for each in CATALOGERS.values() if is_stream(each)],
}

# Protocol with one adapter and no double → the tests of that adapter. The second one begins a suite.
ALONE: Mapping[type, str] = {
    Completeness: "tests/unit/pipeline/test_ledger.py",
    HeldImages: "tests/unit/pipeline/test_ledger.py",
    Data: "tests/unit/advisories/test_enquiries.py",
    FirstSeen: "tests/contract/test_first_seen_contract.py",
    KnownVulnerabilities: "tests/unit/advisories/test_enquiries.py",
    Ears: "tests/unit/sources/test_pubsub_messages.py",
    Hook: "tests/contract/test_source_contract.py",
    ImageReader: "tests/contract/test_store_contract.py",
    Marks: "tests/unit/pipeline/test_reevaluate.py",
    Standing: "tests/unit/pipeline/test_judging_again.py",
    Labels: "tests/contract/test_labels_contract.py",
    Manifests: "tests/unit/registry/test_registry_images.py",
    Outbox: "tests/contract/test_outbox_contract.py",
    OwnApi: "tests/unit/registry/test_own_api.py",
    Judgements: "tests/contract/test_quarantines_contract.py",
    Pushes: "tests/unit/pipeline/test_stored_pushes.py",
    Quarantines: "tests/contract/test_quarantines_contract.py",
    FailedPublications: "tests/contract/test_failed_publications_contract.py",
    OwnWrites: "tests/contract/test_own_writes_contract.py",
    PackageIndex: "tests/contract/test_package_index_contract.py",
    Referrers: "tests/unit/registry/test_registry_referrers.py",
    Sboms: "tests/unit/api/test_api_basics.py",
    Rules: "tests/unit/secrets/test_secret_judgement.py",
    Tickets: "tests/contract/test_tickets_contract.py",
    Submissions: "tests/unit/pipeline/test_intake.py",
    SubjectLocks: "tests/contract/test_own_writes_contract.py",
    TagHistory: "tests/contract/test_tag_history_contract.py",
    Transactions: "tests/unit/kit/test_sqlite.py",
    Uploads: "tests/unit/registry/test_uploads.py",
    VerdictStore: "tests/contract/test_store_contract.py",
    WritableRegistries: "tests/unit/registry/test_registry_access.py",
}

# Protocol → why a suite of its own would say nothing.
PARTS: Mapping[type, str] = {
    ClosableEvaluator: "an Evaluator that has an end",
    GatheringPublisher: "a Publisher, and held to that suite, that tells of several verdicts as of one",
    Files: "folder and archive behind LocalImages, which is held to the suite of ImageSource with either",
    Reading: "one file in the hands of a StreamCataloger",
    Sink: "who reads one entry of an archive: an archive in it, or a text",
    Selecting: "what Cataloger and StreamCataloger have in common",
}


def modules() -> Iterator[object]:
    """Of `watcher`, but for what runs when it is imported, and the doubles."""
    for found in pkgutil.walk_packages(watcher.__path__, "watcher."):
        if not found.name.endswith((".__main__", ".migrations.env")):
            yield importlib.import_module(found.name)
    for found in pkgutil.iter_modules([str(PROJECT / "tests" / "doubles")]):
        yield importlib.import_module(f"tests.doubles.{found.name}")


def is_protocol(kind: type) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def asked_of(protocol: type) -> dict[str, object]:
    """The methods that a Protocol asks for, those it has of others included."""
    inherited = [each for each in reversed(protocol.__mro__) if is_protocol(each) and each is not Protocol]
    named = {name: member for each in inherited for name, member in vars(each).items() if inspect.isfunction(member)}
    return {name: member for name, member in named.items() if name == "__call__" or not name.startswith("_")}


def has_shape(kind: type, protocol: type) -> bool:
    """Whether the class has every method, as coroutine or not, with parameters of these names and no other that it needs."""
    return all(_fits(getattr(kind, name, None), member) for name, member in asked_of(protocol).items())


def _fits(given: object, wanted: object) -> bool:
    if not inspect.isfunction(given) or not inspect.isfunction(wanted):
        return False
    if inspect.iscoroutinefunction(given) is not inspect.iscoroutinefunction(wanted):
        return False
    parameters, names = list(inspect.signature(given).parameters.values()), list(inspect.signature(wanted).parameters)
    more = parameters[len(names) :]
    return [each.name for each in parameters[: len(names)]] == names and all(each.default is not each.empty for each in more)


@pytest.fixture(scope="module")
def classes() -> set[type]:
    return {
        member
        for module in modules()
        for member in vars(module).values()
        if inspect.isclass(member) and member.__module__ == getattr(module, "__name__", "")
    }


def adapters_of(protocol: type, classes: set[type]) -> set[type]:
    return {each for each in classes if not is_protocol(each) and has_shape(each, protocol)}


def test_every_protocol_has_its_place(classes: set[type]) -> None:
    """A suite, the tests of its only adapter, or a reason."""
    protocols = {each for each in classes if is_protocol(each) and each.__module__.startswith("watcher.")}
    assert protocols == {*SUITES, *ALONE, *PARTS}
    assert len(protocols) == len(SUITES) + len(ALONE) + len(PARTS)


@pytest.mark.parametrize("protocol", SUITES)
def test_a_suite_runs_over_every_adapter(protocol: type, classes: set[type]) -> None:
    """And over the doubles that stand in for them; whoever adds one adds it there."""
    assert set(SUITES[protocol]) == adapters_of(protocol, classes)


@pytest.mark.parametrize("protocol", ALONE)
def test_an_adapter_alone_is_alone(protocol: type, classes: set[type]) -> None:
    """With a second one, or a double, there is something that both have to keep: a suite."""
    assert len(adapters_of(protocol, classes)) == 1
    assert (PROJECT / ALONE[protocol]).is_file()


class Silent:
    """Has the shape of an Inbox, and keeps nothing."""

    async def put(self, arrivals: object) -> object:
        return arrivals


class More(Silent):
    """Can do more than it is asked for."""

    async def put(self, arrivals: object, *, urgent: bool = False) -> object:
        return (arrivals, urgent)


class Needy(Silent):
    """Cannot be called as an Inbox is."""

    async def put(self, arrivals: object, urgent: bool) -> object:  # type: ignore[override]  # that is the point
        return (arrivals, urgent)


class Blocking:
    """Is called alike, and answers otherwise."""

    def put(self, arrivals: object) -> object:
        return arrivals


def test_an_adapter_is_known_by_its_shape() -> None:
    """The checks above would be worth nothing if they saw no adapter, or one in everything that has a method of that name."""
    assert [has_shape(each, Inbox) for each in (Silent, More, Needy, Blocking)] == [True, True, False, False]
    assert set(asked_of(Backlog)) > set(asked_of(Inbox)) == {"put"}
    assert set(asked_of(Intake)) == {"__call__", "found"}
