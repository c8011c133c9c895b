"""Which topics a verdict stands at, and which it has left. Pure.

Spec: MQTT 5.0 section 4.7: no topic that is written to holds +, # or NUL.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.model.verdict import Subject

# No name of a registry, repository or tag may hold any of these; what can is not for a topic to find out.
_FORBIDDEN = re.compile(r"[+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A topic, and whether the verdict of the image stands there; else nothing may."""

    topic: str
    stands: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """All that begin with one prefix. `digests`: whether there are topics for images without a tag."""

    prefix: str
    digests: bool = True

    @property
    def events(self) -> str:
        return f"{self.prefix}/events"

    @property
    def status(self) -> str:
        return f"{self.prefix}/status"

    def of_tag(self, subject: Subject, tag: str) -> str:
        return f"{self.prefix}/verdicts/{_level(subject.registry)}/{_level(subject.repository)}/{_level(tag)}"

    def of_digest(self, subject: Subject) -> str:
        algorithm, _, encoded = subject.digest.partition(":")
        return f"{self.prefix}/digests/{_level(subject.registry)}/{_level(subject.repository)}/{algorithm}/{encoded}"

    def places(self, subject: Subject, history: Mapping[str, Digest | None], *, wanted: bool) -> Sequence[Place]:
        """Where the verdict stands, first, and where it does no more. `history` is that of `TagHistory`.

        A tag that leads to another image is that one's, and none of these. An image stands at its digest until it has a tag, and
        not again when it has lost that: each image that a tag has moved on from would be kept for ever. An outcome that is not
        `wanted` stands nowhere.
        """
        tagged = any(history)  # '' is no tag
        leading = sorted(tag for tag, digest in history.items() if digest == subject.digest)
        deleted = sorted(tag for tag, digest in history.items() if tag and digest is None)
        places = [Place(topic=self.of_tag(subject, tag), stands=wanted) for tag in leading]
        if self.digests and ("" in history or not tagged):
            places.append(Place(topic=self.of_digest(subject), stands=wanted and not tagged))
        return [*places, *(Place(topic=self.of_tag(subject, tag), stands=False) for tag in deleted)]


def _level(name: str) -> str:
    """As one or more levels: the slashes of a repository part them."""
    return _FORBIDDEN.sub("_", name)
