"""A verdict as SQS and SNS take it: text, attributes, and what a FIFO queue or topic has to know besides."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from watcher.model.verdict import Verdict
from watcher.publishing.cloudevent import CONTENT_TYPE, message_attributes

# Of a group's id, in letters, digits and punctuation; a registry and a repository can be longer.
MAX_GROUP_CHARACTERS = 128
FIFO = ".fifo"


def attributes_of(verdict: Verdict) -> Mapping[str, Mapping[str, str]]:
    """Ten at the most, which is all that SQS takes and SNS hands on."""
    said = {"content-type": CONTENT_TYPE, **message_attributes(verdict)}
    return {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}


def fifo_ids(verdict: Verdict, destination: str) -> Mapping[str, Any]:
    """Empty where the name of the destination is not that of a FIFO.

    Verdicts of one repository keep their order, and what is sent twice within five minutes arrives once.
    """
    if not destination.endswith(FIFO):
        return {}
    return {"MessageGroupId": group_of(verdict), "MessageDeduplicationId": verdict.id}


def group_of(verdict: Verdict) -> str:
    """HOST/REPOSITORY; where that is too long, how it begins and its hash."""
    name = f"{verdict.subject.registry}/{verdict.subject.repository}"
    if len(name) <= MAX_GROUP_CHARACTERS:
        return name
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{name[: MAX_GROUP_CHARACTERS - len(digest) - 1]}-{digest}"
