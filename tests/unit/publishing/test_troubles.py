"""What may go wrong with a destination: whether it is about the destination, or about what it is told."""

import importlib
import pkgutil

import watcher.publishing
from watcher.model.errors import RetryableError
from watcher.pipeline.outages import OUTAGES

# Others may get through meanwhile: a topic that we may not write, a message that is too large, an image that others edit.
OF_ONE_VERDICT = {"topic-refused", "message-too-large", "message-refused", "referrers-contended", "tickets-left", "more-to-tell"}
# One repository may be written by us where another may not.
OF_ONE_VERDICT |= {"push-not-permitted"}
# The destination is well: it is we who wait.
OF_ONE_VERDICT |= {"quarantine-held", "quarantine-passing", "tag-unsettled"}


def test_every_trouble_is_of_the_destination_or_of_one_verdict() -> None:
    """While a destination has one, everything waits for it together, and one verdict at a time finds out whether it is over."""
    for found in pkgutil.walk_packages(watcher.publishing.__path__, "watcher.publishing."):
        importlib.import_module(found.name)
    told = {each.reason for each in _below(RetryableError) if each.__module__.startswith("watcher.publishing.")}
    assert told - OUTAGES <= OF_ONE_VERDICT
    assert {"destination-unreachable", "broker-unavailable", "receiver-unavailable"} <= told & OUTAGES
    assert not OUTAGES & OF_ONE_VERDICT


def _below(kind: type[RetryableError]) -> set[type[RetryableError]]:
    return {kind}.union(*(_below(each) for each in kind.__subclasses__()))
