"""What inspection needs from outside: somewhere to keep facts, and what was seen before."""

from collections.abc import Sequence
from typing import Protocol

from watcher.model.digest import Digest
from watcher.model.image import FetchedManifest
from watcher.model.inventory import Inventory, LayerFacts
from watcher.model.reference import Reference
from watcher.registry.protocol import ImageSource


class LayerCache(Protocol):
    """Facts of layers, by content: those that were kept last."""

    async def layer(self, digest: Digest) -> LayerFacts | None:
        """The facts kept of this layer, whoever their makers were, else None."""
        ...

    async def keep_layer(self, facts: LayerFacts) -> None:
        """After this returns `layer(facts.digest)` gives an equal value, in place of what other makers said.

        Facts of the same makers as those that are kept are the same facts: then nothing is changed.
        """
        ...


class KnownBases(Protocol):
    """Images seen before, on which others may be built."""

    async def bases(
        self, layers: Sequence[Digest], of_image: Digest | None = None, *, even_later: bool = False
    ) -> Sequence[tuple[int, Reference]]:
        """Those whose layers are a true prefix of `layers` (base first), with its length: the longest first, then as first seen.

        With `of_image`, whose layers these are, also those that have all of them and another configuration. Which of two was built
        on the other their layers do not say: those that were seen before it was, unless `even_later`.

        Compared by the digests of the layers as stored, which were verified; never by the diff ids an image claims.
        """
        ...


class ImageInspector(Protocol):
    """One manifest in, everything known about it out."""

    async def inspect(self, source: ImageSource, manifest: FetchedManifest, index: FetchedManifest | None = None) -> Inventory:
        """Inspect one image. What could not be looked at is said in `Inventory.sections`, not raised.

        `index` is the one that lists it, if it was found by one: SBOMs may be attached to that, or stand in it.

        Raises:
            CannotRunError: it is nothing that a runtime could start.
            RetryableError, NotFoundError: the source could not give what the manifest names.
            InvalidManifestError: the configuration is no image configuration.
        """
        ...
