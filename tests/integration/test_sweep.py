"""What nobody told of, on a real registry: the daemon finds it by itself, judges it once, and does not find its own verdicts."""

from collections.abc import Callable
from pathlib import Path

from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.pushing import attached_verdict, skopeo_push, write_layout
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.ports import free_port

CONFIG = """\
registries: [{{host: "{host}"}}]
sources: [{{type: sweep, every: 1s}}]
publish: [{{type: referrer}}]
"""


def test_an_image_that_no_event_told_of_gets_its_verdict(
    start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path
) -> None:
    """Once: later passes see it with its verdict, and know the referrer beside it as their own."""
    registry = start_docker_registry(tmp_path / "registry")
    image = build_image([build_layer({"etc/os-release": "ID=debian\n"})], config={"User": "1000"})
    skopeo_push(write_layout(tmp_path / "layout", image), f"{registry.host}/team/app:v1")
    daemon = RunningDaemon(directory=tmp_path, config=CONFIG.format(host=registry.host), port=free_port())
    daemon.start()
    try:
        judged_once(registry, daemon, image)
        leaves_its_tag(registry, daemon, image, tmp_path)
    finally:
        assert daemon.stop() == 0


def judged_once(registry: RunningRegistry, daemon: RunningDaemon, image: BuiltImage) -> None:
    *_, verdict = daemon.eventually(lambda: attached_verdict(registry.url, "team/app", image.digest), what="a verdict")
    assert verdict["event"]["source"] == "sweep"

    def passes() -> list[dict[str, int]]:
        return [line for line in daemon.lines() if line["event"] == "sweep.completed"]

    seen = len(passes())
    eventually(lambda: len(passes()) >= seen + 2, what="two more passes")
    assert passes()[-1]["taken_in"] == 0
    assert sum(line["event"] == "verdict.recorded" for line in daemon.lines()) == 1
    assert [each["decision"] for each in daemon.get("/api/v1/events")["events"]] == ["accepted"]


def leaves_its_tag(registry: RunningRegistry, daemon: RunningDaemon, image: BuiltImage, tmp_path: Path) -> None:
    """Another image takes the tag while nobody tells."""
    other = build_image([build_layer({"etc/os-release": "ID=alpine\n"})], config={"User": "1000"})
    skopeo_push(write_layout(tmp_path / "other", other), f"{registry.host}/team/app:v1")

    def tags() -> dict[str, list[str]]:
        return {each["digest"]: each["tags"] for each in daemon.get("/api/v1/images")["images"]}

    daemon.eventually(lambda: tags().get(other.digest) == ["v1"] and tags()[image.digest] == [], what="the tag to move")
