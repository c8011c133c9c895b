"""What is attested of an image: that it was verified, by which policies, and when. Pure.

Spec: in-toto Attestation Framework "Statement v1"; SLSA "Verification Summary Attestation v1".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from watcher.model.digest import Digest, is_digest
from watcher.model.errors import PermanentError
from watcher.model.foreign_json import read_shaped
from watcher.model.moments import iso, moment_of
from watcher.model.verdict import Outcome, Verdict
from watcher.model.verdict_json import canonical_json

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SUMMARY_TYPE = "https://slsa.dev/verification_summary/v1"
PASSED = "PASSED"
# Levels of SLSA are not ours to give; whoever wants no warnings asks for the first.
LEVELS = {Outcome.PASS: "REGISTRY_WATCHER_PASS", Outcome.WARN: "REGISTRY_WATCHER_WARN"}


class StatementError(PermanentError):
    """The bytes are no statement that summarises a verification."""

    reason = "invalid-statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a statement says. `digests` are of its subjects; a time that is none is None."""

    digests: frozenset[str]
    predicate_type: str
    verifier: str
    resource: str
    result: str
    levels: tuple[str, ...]
    verified_at: datetime | None


def summary_bytes(verdict: Verdict, digests: Sequence[Digest], verifier: str) -> bytes:
    """The statement about the image and everything it is made of, `digests`, the image's own first. Equal verdicts, equal bytes.

    Raises ValueError for an outcome that says anything else than that the image may be used.
    """
    subject = verdict.subject
    if verdict.outcome not in LEVELS:
        raise ValueError(f"{verdict.outcome.value} is never attested")
    place = f"{subject.registry}/{subject.repository}"
    names = ",".join(f"{quote(each.name)}@{quote(each.version)}" for each in verdict.policies)
    policy: dict[str, Any] = {"uri": f"urn:registry-watcher:policies:{names}"}
    if is_digest(verdict.policy_revision):
        policy["digest"] = _digest_set(Digest(verdict.policy_revision))
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": place, "digest": _digest_set(each)} for each in digests],
            "predicateType": SUMMARY_TYPE,
            "predicate": {
                "verifier": {"id": verifier, "version": {"registry-watcher": verdict.engine_version}},
                "timeVerified": iso(verdict.evaluated_at),
                # A pass in one repository is none in another: what may be used there is for other policies to say.
                "resourceUri": place,
                "policy": policy,
                "verificationResult": PASSED,
                "verifiedLevels": [LEVELS[verdict.outcome]],
            },
        }
    )


def read_summary(payload: bytes) -> Summary:
    """Raises StatementError for anything else than a statement of in-toto with a summary as its predicate."""
    try:
        found = read_shaped(payload, _Statement)
    except ValueError as error:
        raise StatementError(f"no in-toto statement of a verification: {error!s:.200}") from error
    if found.kind != STATEMENT_TYPE:
        raise StatementError(f"a statement of type {found.kind!r:.100}, not {STATEMENT_TYPE}")
    said = found.predicate
    return Summary(
        digests=frozenset(f"{algorithm}:{value}" for each in found.subject for algorithm, value in each.digest.items()),
        predicate_type=found.predicate_type,
        verifier=said.verifier.id,
        resource=said.resource,
        result=said.result,
        levels=said.levels,
        verified_at=moment_of(said.verified_at),
    )


def _digest_set(digest: Digest) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}


class _Subject(msgspec.Struct, frozen=True):
    digest: dict[str, str]


class _Verifier(msgspec.Struct, frozen=True):
    id: str = ""


_PREDICATE = {
    "resource": "resourceUri",
    "result": "verificationResult",
    "levels": "verifiedLevels",
    "verified_at": "timeVerified",
}


class _Predicate(msgspec.Struct, frozen=True, rename=_PREDICATE):
    verifier: _Verifier = _Verifier()
    resource: str = ""
    result: str = ""
    levels: tuple[str, ...] = ()
    verified_at: str = ""


class _Statement(msgspec.Struct, frozen=True, rename={"kind": "_type", "predicate_type": "predicateType"}):
    kind: str
    subject: tuple[_Subject, ...]
    predicate_type: str
    predicate: _Predicate = _Predicate()
