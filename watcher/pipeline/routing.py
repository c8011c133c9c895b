"""Which publishers hear of a verdict."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from watcher.kit.glob import glob_any
from watcher.model.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One publisher and the verdicts it wants to hear of.

    `only_changes`: those that say something new of their subject. A verdict that leaves `outcomes` is news too: who was told of
    a failure is told when it has passed. `keeps_state`: what is told there stands until it is told otherwise, so it hears of every
    verdict. `renews`: of these outcomes also when an image that was judged again is as it was. `lets_go`: it hears that an
    image is gone. `images` are globs over `HOST/REPOSITORY`, empty for all; `owned_by` tells
    of the name of an owner whether his images are meant. `parts`: images that were judged as part of an index, besides the index.
    `follows_tags`: that an image has left `outcomes` is told of the one that takes its tag.
    """

    publisher: str
    outcomes: Collection[Outcome]
    only_changes: bool = False
    keeps_state: bool = False
    renews: Collection[Outcome] = ()
    lets_go: bool = False
    images: Collection[str] = ()
    owned_by: Callable[[str], bool] = lambda _: True
    parts: bool = True
    follows_tags: bool = False

    def takes(self, verdict: Verdict, earlier: Verdict | None, replaced: Verdict | None = None) -> bool:
        """`earlier` is the verdict before this one of the same subject, None for the first.

        `replaced` is that of the image that its tag led to before.
        """
        if not self._is_meant(verdict):
            return False
        if self.keeps_state:
            return True
        if earlier is not None and not self._is_meant(earlier):
            # It was not told of that one, and perhaps of others before.
            return self.only_changes or verdict.outcome in self.outcomes
        if self.follows_tags and replaced is not None:
            return verdict.outcome in self.outcomes or replaced.outcome in self.outcomes
        if not self.only_changes or earlier is None:
            return verdict.outcome in self.outcomes
        concerned = verdict.outcome in self.outcomes or earlier.outcome in self.outcomes
        return concerned and not verdict.repeats(earlier)

    def _is_meant(self, verdict: Verdict) -> bool:
        subject = verdict.subject
        if self.images and not glob_any(f"{subject.registry}/{subject.repository}", self.images):
            return False
        return self.owned_by(verdict.owner) and (self.parts or verdict.index_digest is None)


def publishers_of(
    routes: Sequence[Route], verdict: Verdict, earlier: Verdict | None, *, replaced: Verdict | None = None
) -> Sequence[str]:
    """The names of those whose routes take it."""
    return [route.publisher for route in routes if route.takes(verdict, earlier, replaced)]


def only_news(routes: Sequence[Route], verdict: Verdict, earlier: Verdict | None) -> Sequence[str]:
    """Where the verdict only repeats what was said, those who keep it by tags that are others now, and those who renew it.

    An image that is judged again for our own reasons is no event.
    """
    if earlier is None or not verdict.repeats(earlier):
        return publishers_of(routes, verdict, earlier)
    moved = verdict.subject.tags != earlier.subject.tags
    wanting = [route for route in routes if (route.keeps_state and moved) or verdict.outcome in route.renews]
    return [route.publisher for route in wanting if route.takes(verdict, earlier)]
