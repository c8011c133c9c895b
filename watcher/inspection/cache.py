"""Facts of layers for as long as one command runs."""

from watcher.model.digest import Digest
from watcher.model.inventory import LayerFacts


class MemoryLayerCache:
    """The LayerCache of `watcher scan`, where images given together share their layers: those that were `kept`."""

    def __init__(self) -> None:
        self.kept: dict[Digest, LayerFacts] = {}

    async def layer(self, digest: Digest) -> LayerFacts | None:
        return self.kept.get(digest)

    async def keep_layer(self, facts: LayerFacts) -> None:
        kept = self.kept.get(facts.digest)
        if kept is None or kept.makers != facts.makers:
            self.kept[facts.digest] = facts
