"""What is done to one image in its registry, and taken back: each step says how it ended, and is safe to repeat."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace

from watcher.kit.clock import Clock
from watcher.model.digest import Digest
from watcher.model.errors import AuthenticationError, PermanentError, WatcherError
from watcher.model.image import FetchedManifest, Index
from watcher.model.quarantine import Step, StepState, TagMove, marker_tag
from watcher.model.reference import Tag
from watcher.publishing.quarantine.capabilities import CAPABILITIES
from watcher.publishing.quarantine.protocol import Blocks, Condemned, QuarantineDriver
from watcher.registry.protocol import Manifests, RegistryAccess

# A registry that says so to what we write is not asked to reconsider: tags are immutable there, or our account may not.
Refusals = tuple[type[WatcherError], ...]
REFUSALS: Refusals = (PermanentError, AuthenticationError)
# What is to be taken back is not left for a password that is just being changed.
REFUSALS_TO_RELEASE: Refusals = (PermanentError,)


@dataclass(slots=True, kw_only=True)
class Ground:
    """One image where it is. What a registry refuses is said of the step; that it is not there now is raised.

    Raises:
        ThrottledError, RegistryUnavailableError: not now. AuthenticationError: we may not even read.
    """

    access: RegistryAccess
    driver: QuarantineDriver
    image: Condemned
    clock: Clock

    @property
    def marker(self) -> Tag:
        return marker_tag(self.image.digest)

    @property
    def can_hide(self) -> bool:
        """Whether what the registry itself does keeps the image from everybody, us included."""
        return CAPABILITIES[self.access.kind].blocks is not Blocks.NOTHING

    async def block(self) -> Step:
        """What the registry itself can do, if it says afterwards that it is so."""
        try:
            if not await self.driver.is_blocked(self.image):
                await self.driver.block(self.image)
                if not await self.driver.is_blocked(self.image):
                    detail = f"a registry of the kind {self.access.kind} can do nothing of its own"
                    return Step(state=StepState.IMPOSSIBLE, detail=detail)
        except REFUSALS as error:
            return Step(state=StepState.IMPOSSIBLE, detail=str(error))
        return Step(state=StepState.DONE)

    async def is_blocked(self) -> bool:
        """Whether the registry says so; what it says nothing of is not."""
        try:
            return await self.driver.is_blocked(self.image)
        except PermanentError:
            return False

    async def is_blocked_by_others(self) -> bool:
        """Before we have begun to: whether the registry says so already."""
        try:
            return await self.driver.is_blocked(self.image)
        except REFUSALS:
            return False

    async def unblock(self) -> Step:
        ended = await _tried(self.driver.unblock(self.image), REFUSALS_TO_RELEASE)
        return Step(state=StepState.UNDONE) if ended.state is StepState.DONE else replace(ended, state=StepState.LEFT)

    async def mark(self) -> Step:
        """The marker leads to the image."""
        try:
            if await self.leads(self.marker) == self.image.digest:
                return Step(state=StepState.DONE)
        except PermanentError as error:  # somebody keeps it back
            return Step(state=StepState.IMPOSSIBLE, detail=str(error))
        return await _tried(self._put(self.marker, self.image.digest))

    async def unmark(self) -> Step:
        """The marker is gone, unless somebody has led it elsewhere: then it is his."""
        if await self.leads(self.marker) != self.image.digest:
            return Step(state=StepState.UNDONE)
        ended = await self._taken_away(self.marker, REFUSALS_TO_RELEASE)
        return Step(state=StepState.UNDONE) if ended.state is StepState.DONE else replace(ended, state=StepState.LEFT)

    async def move(self, intended: TagMove) -> TagMove:
        """Lead a tag elsewhere that leads to the image, and look where it leads then."""
        if (there := await self.leads(intended.tag)) != self.image.digest:
            return replace(intended, state=StepState.OVERTAKEN, detail=_elsewhere(there))
        asked_at = self.clock()
        ended = await self._led(intended.tag, intended.to)
        if ended.state is not StepState.DONE:
            return replace(intended, state=ended.state, detail=ended.detail)
        there = await self.leads(intended.tag)
        moved = replace(intended, asked_at=min(asked_at, intended.asked_at), moved_at=self.clock(), detail="")
        if there == intended.to:
            return replace(moved, state=StepState.DONE)
        if there == self.image.digest:
            return replace(moved, state=StepState.IMPOSSIBLE, detail="was led elsewhere, and leads to the image all the same")
        return replace(moved, state=StepState.OVERTAKEN, detail=_elsewhere(there))

    async def move_back(self, move: TagMove, *, objection: str = "") -> TagMove:
        """Lead a tag to the image again, if it still leads to where it was led, or nowhere, and nothing is against it.

        Raises AuthenticationError, as all that takes back.
        """
        there = await self.leads(move.tag)
        if there == self.image.digest:
            return replace(move, state=StepState.UNDONE, detail="")
        if there not in {move.to, None}:
            return replace(move, state=StepState.LEFT, detail=_elsewhere(there))
        if objection:
            return replace(move, state=StepState.LEFT, detail=objection)
        ended = await _tried(self._put(move.tag, self.image.digest), REFUSALS_TO_RELEASE)
        if ended.state is not StepState.DONE:
            return replace(move, state=StepState.LEFT, detail=ended.detail)
        return replace(move, state=StepState.UNDONE, detail="")

    async def give_back(self, move: TagMove, pushed: Digest) -> TagMove | None:
        """Lead a tag that we have moved to what somebody pushed by it meanwhile, unless it has gone on.

        None where it leads to the image as before: nothing is hidden by us.
        """
        there = await self.leads(move.tag)
        if there == self.image.digest:
            return None
        if there == move.to:
            await self._put(move.tag, pushed)
            there = await self.leads(move.tag)
        return replace(move, state=StepState.OVERTAKEN, detail=_elsewhere(there))

    async def delete(self) -> Step:
        if await self.access.uploads.delete_manifest(self.image.repository, self.image.digest):
            return Step(state=StepState.DONE)
        return Step(state=StepState.IMPOSSIBLE, detail="this registry deletes no image, or our account may not")

    async def children(self) -> tuple[Digest, ...]:
        """The images of an index, none of an image."""
        content = (await self._read(self.image.digest)).content
        return tuple(each.digest for each in content.manifests) if isinstance(content, Index) else ()

    async def leads(self, reference: Tag | Digest) -> Digest | None:
        return await self._manifests.head(reference)

    async def _led(self, tag: Tag, to: Digest | None) -> Step:
        if to is not None:
            return await _tried(self._put(tag, to))
        ended = await self._taken_away(tag)
        return ended if ended.state is StepState.DONE else replace(ended, detail=f"it led to nothing good before; {ended.detail}")

    async def _taken_away(self, tag: Tag, refusals: Refusals = REFUSALS) -> Step:
        if not CAPABILITIES[self.access.kind].deletes_tags:
            # It is not tried either: what is asked to go by a tag might be the image.
            return Step(state=StepState.IMPOSSIBLE, detail="a registry of this kind takes no tag away without its image")
        try:
            if await self.driver.remove_tag(self.image.repository, tag):
                return Step(state=StepState.DONE)
        except refusals as error:
            return Step(state=StepState.IMPOSSIBLE, detail=str(error))
        return Step(state=StepState.IMPOSSIBLE, detail="this registry takes no tag away without its image, or our account may not")

    async def _put(self, tag: Tag, digest: Digest) -> None:
        """The very bytes, as what they were served."""
        manifest = await self._read(digest)
        await self.access.uploads.put_manifest(self.image.repository, tag, manifest.raw, manifest.media_type)

    async def _read(self, digest: Digest) -> FetchedManifest:
        return await self._manifests.manifest(digest)

    @property
    def _manifests(self) -> Manifests:
        return self.access.manifests(self.image.repository)


def _elsewhere(there: Digest | None) -> str:
    return f"leads to {there} by now" if there is not None else "leads nowhere by now"


async def _tried(act: Awaitable[object], refusals: Refusals = REFUSALS) -> Step:
    try:
        await act
    except refusals as error:
        return Step(state=StepState.IMPOSSIBLE, detail=str(error))
    return Step(state=StepState.DONE)
