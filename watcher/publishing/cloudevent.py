"""A verdict as a CloudEvent 1.0, structured JSON, at most 64 KiB, and what of it carriers have beside the message to filter by.

Spec: cloudevents/spec v1.0.2, JSON event format; "Size Limits": intermediaries must forward 64 KiB, no more; "Naming
Conventions": names of attributes are of `a-z0-9`, at most 20.
"""

import re
from collections.abc import Mapping
from typing import Any

from watcher.model.moments import iso
from watcher.model.verdict import Verdict
from watcher.model.verdict_json import canonical_json, verdict_json

VERDICT_TYPE = "io.registry-watcher.verdict.v1"
SOURCE = "urn:registry-watcher"
MAX_EVENT_BYTES = 64 * 1024
MEDIA_TYPE = "application/cloudevents+json"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"
# Pub/Sub takes 1024 bytes; what a registry allows as a name is a quarter of that, and a character has at most four bytes.
MAX_ATTRIBUTE_CHARACTERS = 256
# Of tags, in an event that had to be cut: an image can have thousands.
MAX_TAGS = 100
# What no attribute may hold. Spec: CloudEvents "Type System": control characters, surrogates, noncharacters.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# JSON may hold these as they are, and SQS and SNS take no text that does.
_NONCHARACTERS = {"\ufffe".encode(): rb"\ufffe", "\uffff".encode(): rb"\uffff"}


def verdict_event(verdict: Verdict, *, link: str | None, limit_bytes: int = MAX_EVENT_BYTES) -> bytes:
    """The event's bytes; equal verdicts give equal events, and `id` is the verdict's, so consumers can drop repeats.

    Findings that do not fit in `limit_bytes` are left out from the end and counted in `data.findings_omitted`, and so are tags
    beyond MAX_TAGS then. `link` is where the whole verdict is. It is no `dataref`: what that leads to has to be the same as `data`,
    and a middleware may replace one by the other. An event that would have no finding may be larger than a small `limit_bytes`.
    """
    data = verdict_json(verdict)
    findings = data["findings"]
    context = _context(verdict, link)
    event = _event(context, data)
    if len(event) <= limit_bytes:
        return event
    # Halving finds the largest prefix that fits in a dozen encodings, whatever the sizes of single findings.
    low, high = 0, len(findings)
    while low < high:
        middle = (low + high + 1) // 2
        if len(_event(context, _cut(data, findings, middle))) <= limit_bytes:
            low = middle
        else:
            high = middle - 1
    return _event(context, _cut(data, findings, low))


def message_attributes(verdict: Verdict) -> Mapping[str, str]:
    """What a carrier has beside the message: at most nine, none of them empty.

    The names are those of the event's attributes. A subscriber filters by them, and needs not read the message for that. A tenth
    is left for the content type where the carrier has no other place for it: SNS drops a message with more on its way to SQS.
    """
    return {"id": _bounded(verdict.id), "type": VERDICT_TYPE, **_extensions(verdict)}


def _extensions(verdict: Verdict) -> dict[str, str]:
    """Attributes of our own, as far as there is something to say."""
    subject = verdict.subject
    said = {
        "outcome": verdict.outcome.value,
        "registryhost": subject.registry,
        "repository": subject.repository,
        "tag": verdict.tag,
        "environment": subject.environment,
        "platform": verdict.platform,
        "owner": verdict.owner,
    }
    return {name: _bounded(value) for name, value in said.items() if value}


def _bounded(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:MAX_ATTRIBUTE_CHARACTERS]


def _cut(data: dict[str, Any], findings: list[Any], keep: int) -> dict[str, Any]:
    sections = {
        name: {key: value for key, value in section.items() if key != "skipped"} for name, section in data["sections"].items()
    }
    tags = data["subject"]["tags"]
    subject = {**data["subject"], "tags": tags[:MAX_TAGS], "tags_omitted": len(tags[MAX_TAGS:])}
    return {
        **data,
        "subject": subject,
        "sections": sections,
        "findings": findings[:keep],
        "findings_omitted": len(findings) - keep,
    }


def _context(verdict: Verdict, link: str | None) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": verdict.id,
        "source": SOURCE,
        "type": VERDICT_TYPE,
        "subject": verdict.subject.name,
        "time": iso(verdict.evaluated_at),
        "datacontenttype": "application/json",
        **_extensions(verdict),
        **({"verdicturl": link} if link else {}),
    }


def _event(context: dict[str, Any], data: dict[str, Any]) -> bytes:
    encoded = canonical_json({**context, "data": data})
    for character, escaped in _NONCHARACTERS.items():
        encoded = encoded.replace(character, escaped)
    return encoded
