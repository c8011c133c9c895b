"""Facts of layers for as long as one command runs."""

from watcher.model.digest import Digest
from watcher.model.inventory import LayerFacts


class MemoryLayerCache:
    """The LayerCache of `watcher scan`, where images given together share their layers."""

    def __init__(self) -> None:
        self._layers: dict[Digest, LayerFacts] = {}

    async def layer(self, digest: Digest) -> LayerFacts | None:
        return self._layers.get(digest)

    async def keep_layer(self, facts: LayerFacts) -> None:
        kept = self._layers.get(facts.digest)
        if kept is None or kept.makers != facts.makers:
            self._layers[facts.digest] = facts
