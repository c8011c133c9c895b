"""What a deletion may have taken a tag from. The registry is asked before it has: the event may be late, or wrong."""

from collections.abc import Sequence

from watcher.model.push import Deleted, Push
from watcher.store.protocol import VerdictStore


async def second_looks(verdicts: VerdictStore, gone: Deleted) -> Sequence[Push]:
    """The tag, where something was judged by it, and the digest, where that is known by any tag."""
    looks = []
    if gone.tag is not None and await verdicts.led_to(gone.registry, gone.repository, (gone.tag,)):
        looks.append(Push(registry=gone.registry, repository=gone.repository, tag=gone.tag))
    if gone.digest is not None and await verdicts.tags(gone.registry, gone.repository, gone.digest):
        looks.append(Push(registry=gone.registry, repository=gone.repository, digest=gone.digest))
    return looks
