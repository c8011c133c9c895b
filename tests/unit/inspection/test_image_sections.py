"""What an inspection says of each section, what an image may cost, and which step made which layer."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from watcher.inspection.image.sections import Shortfall, doubtful_layer, layer_shortfalls, sections_of
from watcher.inspection.image.steps import layer_steps
from watcher.inspection.image_budget import ImageBudget
from watcher.inspection.problems import ProblemList
from watcher.inspection.settings import InspectionSettings
from watcher.model.digest import digest_of
from watcher.model.errors import TimedOutError, TooLargeError
from watcher.model.image import Descriptor, HistoryEntry, ImageConfig
from watcher.model.inventory import Problem
from watcher.model.verdict import INSPECTED, Section, SectionState

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"


def layer(size: int = 100, media_type: str = GZIP) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(str(size).encode()), size=size)


def test_every_section_of_an_inspection_has_a_state() -> None:
    """Complete what was looked at; of what later rooms bring, an inspection says nothing."""
    sections = sections_of([], inspected=True, base=Section())
    assert tuple(sections) == INSPECTED
    complete = {name for name, section in sections.items() if section.state is SectionState.COMPLETE}
    assert complete == {"config", "packages", "files", "secrets", "users", "distro", "base", "declared", "sbom"}


def test_a_shortfall_makes_its_sections_partial_or_missing() -> None:
    """Partial while anything was read, missing when nothing was; what was skipped is listed, up to a hundred."""
    lack = [Shortfall(sections=("files",), what=f"w{number}", reason=f"r{number}") for number in range(150)]
    partial = sections_of(lack, inspected=True, base=Section())
    assert partial["packages"].state is SectionState.COMPLETE
    assert partial["files"].state is SectionState.PARTIAL
    assert partial["files"].reason == "r0 (and 149 more)"
    assert len(partial["files"].skipped) == 100
    assert sections_of(lack[:1], inspected=False, base=Section())["files"].state is SectionState.MISSING


@pytest.mark.parametrize(
    ("doubtful", "was_read", "expected"),
    [
        (layer(), True, None),
        (layer(media_type="application/vnd.docker.image.rootfs.diff.tar.gzip"), True, None),
        (layer(media_type=FOREIGN), True, None),
        (layer(media_type=FOREIGN), False, "non-distributable"),
        (layer(media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), False, "non-distributable"),
        (layer(media_type="application/vnd.example.model"), True, "'application/vnd.example.model'"),
        (layer(media_type=f"{GZIP}+encrypted"), False, "encrypted"),
        (layer(media_type="application/vnd.oci.image.layer.nydus.blob.v1"), False, "nydus"),
        (replace(layer(), annotations={"containerd.io/snapshot/nydus-bootstrap": "true"}), False, "nydus"),
        (replace(layer(), annotations={"containerd.io/snapshot/overlaybd/blob-size": "1"}), False, "overlaybd"),
        (replace(layer(), annotations={"containerd.io/snapshot/uidmapping": "0:1:1"}), True, "snapshot/uidmapping"),
    ],
)
def test_layers_that_runtimes_may_take_for_something_else_are_named(
    doubtful: Descriptor, was_read: bool, expected: str | None
) -> None:
    """With what they are: what no registry holds, what is encrypted or a snapshotter's own, and what has an unknown type."""
    found = doubtful_layer(3, doubtful, was_read=was_read)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert expected in found.reason
        assert found.what.startswith("layer 3 (")


def test_problems_of_a_layer_name_the_layer() -> None:
    """A problem that limits nothing is none for the image."""
    problems = [
        Problem(reason="damaged-tar", detail="at byte 7", sections=("files",)),
        Problem(reason="odd", detail="", sections=()),
    ]
    (found,) = layer_shortfalls(2, layer(), problems)
    assert found.sections == ("files",)
    assert found.reason.endswith(": at byte 7")
    assert found.what.endswith(": damaged-tar")


def test_problems_are_counted_by_reason() -> None:
    """The first one's text, and how many more; texts have a limit."""
    problems = ProblemList()
    assert not problems
    for number in range(3):
        problems.add("same", f"detail {number} " + "x" * 5000, ("files",))
    (problem,) = problems.all()
    assert problem.detail.startswith("detail 0")
    assert problem.detail.endswith("(and 2 more)")
    assert len(problem.detail) < 1100
    problems.add("same", "detail 3", ("packages",))
    assert [each.sections for each in problems.all()] == [("files",), ("packages",)]


def budget(*sizes: int, clock: Callable[[], float] = lambda: 0.0) -> ImageBudget:
    layers = [layer(size) for size in sizes]
    return ImageBudget(layers=layers, image_bytes=1000, layer_bytes=500, timeout_seconds=60, clock=clock)


def test_a_layer_larger_than_it_may_be_unpacked_is_not_read() -> None:
    """Its stored size alone says so."""
    with pytest.raises(TooLargeError, match="max_layer"):
        budget(501).begin(layer(501))
    with pytest.raises(TooLargeError, match="max_image"):
        budget(400, 400, 400).begin(layer(400))


def test_an_image_that_has_grown_too_large_is_not_read_further() -> None:
    """Unpacked bytes of the layers before count; a layer that failed adds nothing."""
    spending = budget(10, 10, 10)
    assert spending.begin(layer(10)) == 60
    spending.read(1001)
    with pytest.raises(TooLargeError, match="1001 bytes"):
        spending.begin(layer(10))


def test_time_runs_from_the_first_layer() -> None:
    """Waiting for a worker costs nothing; once the time is over, no layer begins."""
    times = iter([100.0, 130.0, 160.0])
    spending = budget(10, clock=lambda: next(times))
    assert spending.begin(layer(10)) == 60
    assert spending.begin(layer(10)) == 30
    with pytest.raises(TimedOutError, match="nothing is left"):
        spending.begin(layer(10))


def test_steps_belong_to_the_layers_they_made() -> None:
    """Steps that made no layer are passed over; where the numbers differ, nothing is said rather than something wrong."""
    history = (
        HistoryEntry(created_by="FROM"),
        HistoryEntry(created_by="ENV A=b", empty_layer=True),
        HistoryEntry(created_by="COPY"),
    )
    config = ImageConfig(history=history)
    assert layer_steps(config, 2) == ("FROM", "COPY")
    assert layer_steps(config, 3) == ("", "", "")
    assert layer_steps(ImageConfig(history=(HistoryEntry(created_by="x" * 5000),)), 1) == ("x" * 1000,)


def test_workers_are_as_many_as_processors_unless_said() -> None:
    """`auto` counts those this process may use."""
    assert InspectionSettings().worker_count >= 1
    assert InspectionSettings(workers=3).worker_count == 3
