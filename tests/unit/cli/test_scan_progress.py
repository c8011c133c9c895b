"""What a person sees while `watcher scan` goes on."""

import asyncio
import os
from pathlib import Path

from rich.progress import Progress

from tests.doubles.pushing import write_layout
from watcher.cli.scan_progress import Bar, Watched
from watcher.model.digest import Digest
from watcher.model.image import Manifest
from watcher.model.reference import Tag
from watcher.registry.layouts import LocalImage, open_local
from watcher.testing.images import BuiltImage, build_image, build_layer

# More than one piece, and not compressed: what comes is as much as the manifest says.
LARGE = build_layer({"app": os.urandom(700_000)}, compression="none")
IMAGE = build_image([build_layer({"etc/motd": "hello"}), LARGE])


def a_bar(read: set[Digest] | None = None) -> Bar:
    progress = Progress(disable=True)
    return Bar(progress=progress, task=progress.add_task("app", seen=""), read=read if read is not None else set())


async def fetched(bar: Bar, image: BuiltImage, folder: Path, *, most: int = 9) -> list[str]:
    """What the bar said of each layer when it had come."""
    write_layout(folder, image)
    source = Watched(source=await open_local(LocalImage(kind="oci", path=folder)), bar=bar)
    content = (await source.manifest(Tag("v1"))).content
    assert isinstance(content, Manifest)
    said = []
    for layer in content.layers[:most]:
        read, write = os.pipe()
        with os.fdopen(read, "rb") as reader:
            reading = asyncio.create_task(asyncio.to_thread(reader.read), name="reader")
            try:
                await source.pour(layer, write, timeout_seconds=60)
            finally:
                os.close(write)
                await reading
        said.append(bar.progress.tasks[0].fields["seen"])
    return said


async def test_layers_and_bytes_are_counted_against_the_manifest(tmp_path: Path) -> None:
    """As they come, compressed as they are stored."""
    bar = a_bar()
    first, last = await fetched(bar, IMAGE, tmp_path)
    task = bar.progress.tasks[0]
    assert first.startswith("1 of 2 layers, ")
    assert last.startswith("2 of 2 layers, ")
    assert task.completed == task.total
    assert task.total is not None
    assert task.total > 700_000


async def test_what_an_earlier_image_brought_is_not_waited_for(tmp_path: Path) -> None:
    """A layer that several images share is fetched once."""
    read = set[Digest]()
    await fetched(a_bar(read), IMAGE, tmp_path / "first")
    second = a_bar(read)
    other = build_image([LARGE, build_layer({"b": "c"})])
    write_layout(tmp_path / "second", other)
    second.expect(await (await open_local(LocalImage(kind="oci", path=tmp_path / "second"))).manifest(Tag("v1")))
    assert second.progress.tasks[0].fields["seen"].startswith("0 of 1 layer, ")


async def test_a_layer_that_comes_once_more_counts_once(tmp_path: Path) -> None:
    """As where a look is repeated."""
    bar = a_bar()
    await fetched(bar, IMAGE, tmp_path / "a")
    await fetched(bar, IMAGE, tmp_path / "b", most=1)
    assert bar.progress.tasks[0].fields["seen"].startswith("2 of 2 layers")
    assert bar.progress.tasks[0].completed == bar.progress.tasks[0].total
