"""Who hears of a verdict, said by hand."""

from collections.abc import Collection, Mapping

from watcher.model.verdict import Verdict
from watcher.store.protocol import Routing


def nobody(_verdict: Verdict, _earlier: Verdict | None) -> Collection[str]:
    return ()


def sending(publishers: Mapping[str, Collection[str]]) -> Routing:
    """`publishers` are names by the id of the verdict that goes to them."""
    return lambda verdict, _earlier: publishers.get(verdict.id, ())
