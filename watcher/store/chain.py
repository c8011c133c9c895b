"""Names for a sequence of layers, so that "built on" is a look-up."""

import hashlib
from collections.abc import Sequence

from watcher.model.digest import Digest


def chain_ids(layers: Sequence[Digest]) -> list[str]:
    """The chain id of every prefix of `layers` (base first): the first is that of one layer, the last that of all.

    The formula is that of OCI's ChainID, but over the digests of the layers *as stored*, not over the diff ids. A layer's digest
    is in the manifest and is checked against the bytes that are inspected; a diff id is what the image's own configuration
    says of itself, and an image must not become "built on" a trusted base by claiming that base's diff ids. The price: the same
    base compressed anew is another chain.

    Spec: OCI image-spec v1.1 "Layer ChainID".
    """
    ids: list[str] = []
    for layer in layers:
        ids.append(f"sha256:{hashlib.sha256(f'{ids[-1]} {layer}'.encode()).hexdigest()}" if ids else str(layer))
    return ids
