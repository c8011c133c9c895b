"""A registry that is pushed to, tagged, retagged, deleted from and pushed to again, and events of it that come in no order."""

import heapq
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from watcher.model.digest import Digest
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry

Event = dict[str, Any]
"""One event as docker-registry writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happens to the registry, and what it tells of it."""

    what: str
    apply: Callable[[MemoryRegistry], object]
    told: Sequence[Event]


@dataclass(slots=True, kw_only=True)
class World:
    """What happens, one step after the other. `images` have a layer each, and every tenth is listed by indexes.

    A repository has few tags, so they move; an image is in one repository, or in two.
    """

    host: str
    choice: random.Random
    images: int
    repositories: int
    tags: int
    held: dict[str, dict[Digest, BuiltImage]] = field(default_factory=dict, init=False)
    deleted: list[tuple[str, BuiltImage]] = field(default_factory=list, init=False)
    layers: set[Digest] = field(default_factory=set, init=False)
    _left: list[tuple[str, BuiltImage]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        built = [
            build_image([build_layer({"app/name": f"{number} " * 20})], config={"User": "1000", "Labels": {"number": str(number)}})
            for number in range(self.images)
        ]
        self.layers = {list(image.blobs)[-1] for image in built}
        # Each of these is in two indexes, one of which it shares with another image.
        parts = built[::10]
        indexes = [build_index([each, parts[place - 1]]) for place, each in enumerate(parts)]
        for image in [*built, *indexes]:
            homes = self.choice.sample(range(self.repositories), self.choice.choice((1, 1, 1, 2)))
            self._left += [(f"team/app-{home}", image) for home in homes]
        self.choice.shuffle(self._left)

    def steps(self) -> Iterator[Step]:
        """Until every image was pushed at least once, in each of its repositories."""
        while self._left:
            yield self._step()

    def _step(self) -> Step:
        kind = self.choice.choices(("push", "again", "tag", "untag", "delete", "back"), (8, 1, 3, 2, 3, 2))[0]
        if kind == "back" and self.deleted:
            return self._push(*self.deleted.pop(self.choice.randrange(len(self.deleted))))
        if kind in {"push", "back"} or not self.held:
            return self._push(*self._left.pop())
        repository = self.choice.choice(sorted(self.held))
        image = self.choice.choice([*self.held[repository].values()])
        if kind == "untag":
            return self._untag(repository)
        if kind == "delete":
            return self._delete(repository, image)
        return self._push(repository, image)

    def _push(self, repository: str, image: BuiltImage) -> Step:
        tag = f"v{self.choice.randrange(self.tags)}"
        held = self.held.setdefault(repository, {})
        held[image.digest] = image
        told = [self._event("push", repository, digest=each.digest, mediaType=each.media_type) for each in image.children]
        told.append(self._event("push", repository, digest=image.digest, mediaType=image.media_type, tag=tag))
        return Step(what="push", apply=lambda registry: put_image(registry, repository, image, tag), told=told)

    def _untag(self, repository: str) -> Step:
        tag = f"v{self.choice.randrange(self.tags)}"

        def apply(registry: MemoryRegistry) -> None:
            if tag in registry.content.writable(repository).tags:
                registry.content.writable(repository).delete_manifest(tag)

        return Step(what="untag", apply=apply, told=[self._event("delete", repository, tag=tag)])

    def _delete(self, repository: str, image: BuiltImage) -> Step:
        """Where an index lists it, it stays: what it would leave behind is another thing to look at."""
        listed = {child.digest for each in self.held[repository].values() for child in each.children}
        if image.digest in listed:
            return self._push(repository, image)
        del self.held[repository][image.digest]
        if not self.held[repository]:
            del self.held[repository]
        self.deleted.append((repository, image))

        def apply(registry: MemoryRegistry) -> None:
            registry.content.writable(repository).delete_manifest(image.digest)

        return Step(what="delete", apply=apply, told=[self._event("delete", repository, digest=image.digest)])

    def _event(self, action: str, repository: str, **target: str) -> Event:
        return {
            "id": str(uuid.UUID(int=self.choice.getrandbits(128))),
            "timestamp": "2026-01-01T00:00:00Z",
            "action": action,
            "target": {"repository": repository, **target},
            "request": {"host": self.host, "method": "PUT"},
        }


@dataclass(slots=True)
class Disorder:
    """Events under way, each a while late, some of them several times: again as they are, or by an id of their own.

    `spread` is how many events may overtake one, `more` how many come of one on average beside itself.
    """

    choice: random.Random
    spread: int
    more: float
    _sent: int = 0
    _way: list[tuple[float, int, Event]] = field(default_factory=list)

    def send(self, events: Sequence[Event]) -> None:
        for event in events:
            self._put(event)
            while self.choice.random() < self.more / (1 + self.more):
                again = self.choice.random() < 0.5
                self._put(event if again else {**event, "id": str(uuid.UUID(int=self.choice.getrandbits(128)))})

    def arrived(self) -> Iterator[Event]:
        """Those whose time has come."""
        while self._way and self._way[0][0] <= self._sent:
            yield heapq.heappop(self._way)[2]

    def rest(self) -> Iterator[Event]:
        while self._way:
            yield heapq.heappop(self._way)[2]

    def _put(self, event: Event) -> None:
        self._sent += 1
        heapq.heappush(self._way, (self._sent + self.choice.uniform(0, self.spread), self._sent, event))


def present(registry: MemoryRegistry) -> set[tuple[str, Digest]]:
    """(repository, digest) of every manifest that the registry has."""
    return {(name, digest) for name, held in registry.content.repositories.items() for digest in held.manifests}


def tagged(registry: MemoryRegistry) -> dict[tuple[str, str], Digest]:
    """Where every tag leads, by (repository, tag)."""
    return {(name, tag): digest for name, held in registry.content.repositories.items() for tag, digest in held.tags.items()}
