"""What images say of themselves, as whoever publishes is told it."""

from dataclasses import replace

import pytest

from tests.doubles.inventories import an_inventory
from tests.doubles.routes import nobody
from tests.doubles.store_bench import StoreBench
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.image import ImageConfig
from watcher.model.verdict import Outcome
from watcher.store.protocol import Judged

INDEX = Digest("sha256:" + "d" * 64)
ARM = Digest("sha256:" + "e" * 64)
ATTESTATION = Digest("sha256:" + "f" * 64)


def inspected(digest: Digest, labels: dict[str, str], *, index: Digest | None = INDEX, outcome: Outcome = Outcome.PASS) -> Judged:
    return Judged(
        verdict=a_verdict(
            id=f"v-{digest}", subject=replace(SUBJECT, digest=digest), index_digest=index, outcome=outcome, findings=()
        ),
        inventory=an_inventory(digest=digest, config=ImageConfig(architecture="amd64", os="linux", labels=labels)),
    )


def of_the_index() -> Judged:
    return Judged(verdict=a_verdict(id="v-index", subject=replace(SUBJECT, digest=INDEX), findings=()))


async def test_an_image_has_its_own_labels(bench: StoreBench) -> None:
    """As its last inspection found them."""
    await bench.verdicts.record([inspected(IMAGE, {"a": "1", "b": "2"}, index=None)], nobody)
    assert await bench.labels.labels(IMAGE) == {"a": "1", "b": "2"}


async def test_what_was_never_inspected_has_none(bench: StoreBench) -> None:
    """Neither what is not known nor what could not be looked at."""
    await bench.record("v-1")
    assert await bench.labels.labels(IMAGE) == {}
    assert await bench.labels.labels(ARM) == {}


async def test_an_index_has_what_its_images_agree_on(bench: StoreBench) -> None:
    """One image of it can say nothing in the name of all."""
    images = [inspected(IMAGE, {"a": "1", "b": "2"}), inspected(ARM, {"a": "1", "b": "3", "c": "4"})]
    await bench.verdicts.record([*images, of_the_index()], nobody)
    assert await bench.labels.labels(INDEX) == {"a": "1"}


@pytest.mark.parametrize("outcome", [Outcome.NOT_APPLICABLE, Outcome.PASS])
async def test_what_cannot_run_has_no_say(bench: StoreBench, outcome: Outcome) -> None:
    """An attestation in an index has no labels, and takes none from the images beside it; an image without any does."""
    images = [inspected(IMAGE, {"a": "1"}), inspected(ATTESTATION, {}, outcome=outcome)]
    await bench.verdicts.record([*images, of_the_index()], nobody)
    assert await bench.labels.labels(INDEX) == ({"a": "1"} if outcome is Outcome.NOT_APPLICABLE else {})
