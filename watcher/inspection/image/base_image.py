"""Which image another was built on: claimed by its author and then compared, or recognised by its layers.

Spec: OCI image-spec v1.1 "Pre-Defined Annotation Keys", org.opencontainers.image.base.*
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from watcher.inspection.image.sections import COMPLETE
from watcher.inspection.protocol import KnownBases
from watcher.kit.glob import glob_any
from watcher.model.digest import Digest, is_digest
from watcher.model.errors import InvalidReferenceError, PermanentError, RetryableError
from watcher.model.image import FetchedManifest, Index, Manifest
from watcher.model.inventory import Base
from watcher.model.reference import Reference, RepositoryName, Tag, parse_reference
from watcher.model.verdict import Section, SectionState

BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"

# A claim is not worth more waiting than that; what cannot be compared in time is unknown.
COMPARE_SECONDS = 20.0
# Official images have about ten platforms; entries beyond that are not asked for.
MAX_PLATFORMS = 16

FetchBase = Callable[[Reference], Awaitable[FetchedManifest | None]]
"""Fetches a manifest from a *configured* registry, verified when the reference has a digest; None for any other registry.
Raises what `ImageSource.manifest` raises."""

Trusted = Callable[[Reference], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFinder:
    """`trusted` gives what narrows that by which layers are recognised, asked anew for each image.

    None: any other repository's image seen before will do.
    """

    known: KnownBases | None = None
    fetch: FetchBase | None = None
    trusted: Callable[[], Trusted | None] = lambda: None

    async def find(self, repository: RepositoryName, image: Digest, manifest: Manifest) -> tuple[Base, Section]:
        """The base image, or the reason why none is known. `image` is the digest of `manifest`."""
        layers = [layer.digest for layer in manifest.layers]
        claim, refusal = await self._claimed(manifest, layers)
        if claim is not None:
            return claim, COMPLETE
        # A list of trusted bases says which of two with the same layers is the base; without one, the older is.
        is_trusted = self.trusted()
        even_later = is_trusted is not None
        bases = await self.known.bases(layers, image, even_later=even_later) if self.known is not None else ()
        seen = [
            (length, reference)
            for length, reference in bases
            if (is_trusted(reference) if is_trusted is not None else reference.repository != repository)
        ]
        if seen:
            length, reference = seen[0]
            known = Base(known=True, reference=str(reference), digest=reference.digest, layer_count=length, how="layers")
            return known, COMPLETE
        unseen = "its first layers were not seen before in an image that could be its base"
        return Base(), Section(state=SectionState.MISSING, reason=f"{refusal}, and {unseen}")

    async def _claimed(self, manifest: Manifest, layers: Sequence[Digest]) -> tuple[Base | None, str]:
        """The annotated base when its layers are the first of this image; else why the annotation does not count."""
        name, digest = manifest.annotations.get(BASE_NAME, ""), manifest.annotations.get(BASE_DIGEST, "")
        if not name:
            return None, "no annotation names a base image"
        try:
            reference = parse_reference(name)
        except InvalidReferenceError:
            return None, "the annotated base image has no valid name"
        if is_digest(digest):
            # The tag is left out: what it means today was not compared.
            reference = Reference(registry=reference.registry, repository=reference.repository, digest=Digest(digest))
        if self.fetch is None:
            return None, f"the annotated base image {reference} is in no configured registry"
        try:
            async with asyncio.timeout(COMPARE_SECONDS):
                return await self._compared(self.fetch, reference, layers)
        except TimeoutError:
            return None, f"the annotated base image {reference} could not be fetched within {COMPARE_SECONDS:.0f} s"
        except (PermanentError, RetryableError) as error:
            return None, f"the annotated base image {reference} could not be fetched ({error.reason})"

    async def _compared(self, fetch: FetchBase, reference: Reference, layers: Sequence[Digest]) -> tuple[Base | None, str]:
        fetched = await fetch(reference)
        if fetched is None:
            return None, f"the annotated base image {reference} is in no configured registry"
        candidates = [fetched]
        if isinstance(fetched.content, Index):
            candidates = []
            for entry in fetched.content.manifests[:MAX_PLATFORMS]:
                child = await fetch(Reference(registry=reference.registry, repository=reference.repository, digest=entry.digest))
                if child is not None:
                    candidates.append(child)
        for candidate in candidates:
            if not isinstance(candidate.content, Manifest) or not candidate.content.layers:
                continue
            own = [layer.digest for layer in candidate.content.layers]
            if own == list(layers[: len(own)]):
                known = Base(
                    known=True,
                    reference=_name(reference),
                    digest=reference.digest or candidate.digest,
                    layer_count=len(own),
                    how="annotation",
                )
                return known, ""
        return None, f"the annotated base image {reference} has other layers than this image begins with"


def trusted_by(patterns: Sequence[str]) -> Trusted | None:
    """Whether an image seen before may be somebody's base: it is on the list of trusted bases. Without a list, any may be."""
    return listed_in(patterns) if patterns else None


def listed_in(patterns: Sequence[str]) -> Trusted:
    """Whether a name, or a name with its tag, is one that a list gives globs of."""

    def listed(reference: Reference) -> bool:
        name = f"{reference.registry}/{reference.repository}"
        return glob_any(name, patterns) or glob_any(f"{name}:{reference.tag}", patterns)

    return listed


def _name(reference: Reference) -> str:
    """With the tag it was fetched by, if it was."""
    tag: Tag | None = reference.tag if reference.digest is None else None
    return f"{reference.registry}/{reference.repository}" + (f":{tag}" if tag else f"@{reference.digest}")
