"""What a deletion may have taken a tag from. The registry is asked before it has: the event may be late, or wrong."""

from collections.abc import Callable, Sequence

from watcher.model.push import Deleted, Push
from watcher.store.protocol import VerdictStore


async def second_looks(verdicts: VerdictStore, under_way: Callable[[Deleted], Sequence[Push]], gone: Deleted) -> Sequence[Push]:
    """The tag, where something was judged by it, and the digest, where it was judged; and what of either is `under_way`.

    What is being judged may have been looked at before the deletion and be recorded after this.
    """
    looks = [*under_way(gone)]
    if gone.tag is not None and await verdicts.led_to(gone.registry, gone.repository, (gone.tag,)):
        looks.append(Push(registry=gone.registry, repository=gone.repository, tag=gone.tag))
    if gone.digest is not None and await verdicts.latest(gone.digest, registry=gone.registry, repository=gone.repository):
        looks.append(Push(registry=gone.registry, repository=gone.repository, digest=gone.digest))
    return [*dict.fromkeys(looks)]
