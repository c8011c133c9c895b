"""What every Gatherer keeps to (watcher/pipeline/protocol.py)."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.doubles.advisory_data import advisory_data, at, osv, until
from tests.doubles.gatherers import WrittenGatherer, knowing
from tests.doubles.inventories import an_inventory
from tests.doubles.verdicts import IMAGE
from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.evaluation.document.gathered import gathered
from watcher.inspection.dockerfile.gatherer import DockerfileGatherer
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import INSPECTED, Subject
from watcher.pipeline.protocol import Gatherer

SUBJECT = Subject(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=IMAGE)


def advisories(folder: Path) -> Gatherer:
    path = advisory_data(folder, osv("DEBIAN-CVE-2026-1", at("Debian:12", "bash", *until("7.0-2"))))
    return AdvisoryGatherer(path=path, max_age_seconds=1e9)


def written(_folder: Path) -> Gatherer:
    found = {"id": "CVE-2026-1", "package": {"type": "deb", "name": "bash"}}
    return WrittenGatherer(
        name="written", sections=("vulnerabilities",), knowledge=knowing("vulnerabilities", revision="1", vulnerabilities=[found])
    )


def dockerfile(_folder: Path) -> Gatherer:
    return DockerfileGatherer(content=b"FROM debian:12\nUSER 1000\n")


PLACES: Mapping[str, tuple[type, Callable[[Path], Gatherer]]] = {
    "dockerfile": (DockerfileGatherer, dockerfile),
    "advisories": (AdvisoryGatherer, advisories),
    "written": (WrittenGatherer, written),
}


@pytest.fixture(params=PLACES)
def gatherer(request: pytest.FixtureRequest, tmp_path: Path) -> Gatherer:
    return PLACES[request.param][1](tmp_path)


async def test_it_speaks_of_its_own_sections(gatherer: Gatherer) -> None:
    """Never of what inspection says."""
    brought = await gatherer.gather(SUBJECT, an_inventory())
    assert gatherer.name.isalnum()
    assert set(brought.sections) == set(gatherer.sections)
    assert not set(gatherer.sections) & set(INSPECTED)


async def test_what_it_brings_fits_the_document_that_rules_read(gatherer: Gatherer) -> None:
    """A name or a type that is not in it would be heard of nobody."""
    brought = await gatherer.gather(SUBJECT, an_inventory())
    read = gathered([brought])
    assert read.sections[next(iter(gatherer.sections))].state == "complete"
    assert any(read.collections.values()) or any(each.ByteSize() for each in read.variables.values())


async def test_the_same_image_and_data_are_the_same_knowledge(gatherer: Gatherer) -> None:
    """Asked at once or after one another."""
    first = await gatherer.gather(SUBJECT, an_inventory())
    others = await asyncio.gather(*(gatherer.gather(SUBJECT, an_inventory()) for _ in range(5)))
    assert first.data_revision
    assert set(map(repr, others)) == {repr(first)}
