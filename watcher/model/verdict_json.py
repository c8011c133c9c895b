"""The public JSON form of a verdict (docs/reference/verdict.md): what the referrer holds, messages carry and the API answers."""

from collections.abc import Mapping
from typing import Any

import msgspec

from watcher.model.moments import iso
from watcher.model.verdict import Evidence, Finding, Section, Verdict

VERDICT_TYPE = "application/vnd.registry-watcher.verdict.v1+json"
"""Of `verdict_bytes`, and of the artefact with them that is attached to an image."""


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """One JSON object. The same verdict gives the same bytes under `verdict_bytes`."""
    subject = verdict.subject
    return {
        "id": verdict.id,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "image": {
            "registry": subject.registry,
            "repository": subject.repository,
            "tag": verdict.tag,
            "digest": subject.digest,
            "platform": verdict.platform,
            "media_type": verdict.media_type,
            "index": verdict.index_digest,
        },
        "subject": {"environment": subject.environment, "tags": list(subject.tags), "owner": verdict.owner or None},
        "policies": [{"name": policy.name, "version": policy.version} for policy in verdict.policies],
        "policy_revision": verdict.policy_revision,
        "facts_revision": verdict.facts_revision,
        "data_revision": verdict.data_revision,
        "engine_version": verdict.engine_version,
        "evaluated_at": iso(verdict.evaluated_at),
        "findings": [_finding_json(finding) for finding in verdict.findings],
        "sections": {name: section_json(section) for name, section in verdict.sections.items()},
        "event": (
            {"source": verdict.origin.source, "received_at": iso(verdict.origin.received_at), "actor": verdict.origin.actor}
            if verdict.origin is not None
            else None
        ),
    }


def verdict_bytes(verdict: Verdict) -> bytes:
    """Compact JSON with sorted keys: equal verdicts give equal bytes, so a repeated publication gives the same digest."""
    return canonical_json(verdict_json(verdict))


def canonical_json(value: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "action": finding.action.value,
        "category": finding.category.value,
        "key": finding.key,
        "title": finding.title,
        "message": finding.message,
        "remediation": finding.remediation,
        "excepted_by": finding.excepted_by,
        "platform": finding.platform,
        "evidence": _evidence_json(finding.evidence),
    }


def _evidence_json(evidence: Evidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    fields = {
        "layer": evidence.layer,
        "layer_index": evidence.layer_index,
        "created_by": evidence.created_by,
        "path": evidence.path,
        "line": evidence.line,
    }
    return {name: value for name, value in fields.items() if value is not None}


def section_json(section: Section) -> dict[str, Any]:
    """How far a section can be relied on."""
    built: dict[str, Any] = {"state": section.state.value}
    if section.reason:
        built["reason"] = section.reason
    if section.skipped:
        built["skipped"] = list(section.skipped)
    return built
