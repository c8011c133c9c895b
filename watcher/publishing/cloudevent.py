"""A verdict as a CloudEvent 1.0, structured JSON, at most 64 KiB.

Spec: cloudevents/spec v1.0.2, JSON event format; "Size Limits": intermediaries must forward 64 KiB, no more.
"""

from typing import Any

from watcher.model.moments import iso
from watcher.model.verdict import Verdict
from watcher.model.verdict_json import canonical_json, verdict_json

VERDICT_TYPE = "io.registry-watcher.verdict.v1"
SOURCE = "urn:registry-watcher"
MAX_EVENT_BYTES = 64 * 1024
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def verdict_event(verdict: Verdict) -> bytes:
    """The event's bytes; equal verdicts give equal events, and `id` is the verdict's, so consumers can drop repeats.

    Findings that do not fit are left out from the end and counted in `data.findings_omitted`; the whole verdict is in the
    registry and behind the API.
    """
    data = verdict_json(verdict)
    findings = data["findings"]
    event = _event(verdict, data)
    if len(event) <= MAX_EVENT_BYTES:
        return event
    # Halving finds the largest prefix that fits in a dozen encodings, whatever the sizes of single findings.
    low, high = 0, len(findings)
    while low < high:
        middle = (low + high + 1) // 2
        if len(_event(verdict, _cut(data, findings, middle))) <= MAX_EVENT_BYTES:
            low = middle
        else:
            high = middle - 1
    return _event(verdict, _cut(data, findings, low))


def _cut(data: dict[str, Any], findings: list[Any], keep: int) -> dict[str, Any]:
    sections = {
        name: {key: value for key, value in section.items() if key != "skipped"} for name, section in data["sections"].items()
    }
    return {**data, "sections": sections, "findings": findings[:keep], "findings_omitted": len(findings) - keep}


def _event(verdict: Verdict, data: dict[str, Any]) -> bytes:
    return canonical_json(
        {
            "specversion": "1.0",
            "id": verdict.id,
            "source": SOURCE,
            "type": VERDICT_TYPE,
            "subject": verdict.subject.name,
            "time": iso(verdict.evaluated_at),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
