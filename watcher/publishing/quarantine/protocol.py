"""What each kind of registry can do to keep an image from being pulled, and how it is asked to."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName, Tag

MARK = "quarantined"
"""What a registry's own label or property is called, as people see it."""


class Blocks(Enum):
    """What nobody can pull any more. What is cached, mirrored or running somewhere is there all the same."""

    NOTHING = "nothing"
    TAG_PULLS = "tag pulls"
    ALL_PULLS = "tag and digest pulls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What can be done in registries of one kind, honestly.

    `native` is what the registry itself does to a manifest, as a phrase, empty where there is nothing of the kind; `blocks` is what
    that stops, and `permission` what our account needs for it. `deletes_tags` says whether a tag can be taken away without its
    manifest. `experimental`: done as its documentation says, and never tried on the real service. `note` is what else an operator
    has to know.
    """

    native: str = ""
    blocks: Blocks = Blocks.NOTHING
    permission: str = ""
    deletes_tags: bool = True
    experimental: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condemned:
    """A manifest of one registry, and why it is not to be used, as a sentence."""

    repository: RepositoryName
    digest: Digest
    reason: str


class QuarantineDriver(Protocol):
    """What the registries of one kind can do beside moving tags. Every step is safe to repeat.

    Raises:
        RetryableError: not now. PermanentError: never, unless somebody changes something.
    """

    async def block(self, image: Condemned) -> None:
        """Do what `Capability.native` says; nothing where it is empty."""
        ...

    async def unblock(self, image: Condemned) -> None:
        """Take back what `block` did; nothing where it was not done."""
        ...

    async def is_blocked(self, image: Condemned) -> bool:
        """Whether the registry says that `block` is in force; false where there is nothing of the kind."""
        ...

    async def admit(self, image: Condemned) -> None:
        """Let through what the registry keeps back until somebody has looked at it; nothing where it keeps nothing back."""
        ...

    async def remove_tag(self, repository: RepositoryName, tag: Tag) -> bool:
        """Whether the tag is gone now, its manifest and other tags left as they are. False where that cannot be done."""
        ...
