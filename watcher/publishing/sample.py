"""A verdict on nothing, which says so wherever it is read. Pure."""

from collections.abc import Sequence
from datetime import datetime

from watcher.model.digest import digest_of
from watcher.model.image import OCI_MANIFEST
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import SECTIONS, Action, Finding, Origin, Outcome, PolicyName, Section, Subject, Verdict

_ACTIONS = {Outcome.FAIL: Action.FAIL, Outcome.WARN: Action.WARN, Outcome.UNKNOWN: Action.UNKNOWN}
_WORST_FIRST = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.PASS, Outcome.NOT_APPLICABLE)


def sample_verdict(sample_id: str, now: datetime, *, outcomes: Sequence[Outcome], engine_version: str) -> Verdict:
    """Of the worst outcome that a destination with these `outcomes` is told of. Its registry cannot be: example.com is nobody's."""
    outcome = next((each for each in _WORST_FIRST if each in outcomes), Outcome.PASS)
    action = _ACTIONS.get(outcome, Action.NOTE)
    digest = digest_of(b"a sample of the registry watcher")
    return Verdict(
        id=f"sample-{sample_id}",
        outcome=outcome,
        subject=Subject(
            registry=Host("registry.example.com"), repository=RepositoryName("this-is/a-sample"), digest=digest, tags=(Tag("test"),)
        ),
        tag=Tag("test"),
        media_type=OCI_MANIFEST,
        platform="linux/amd64",
        policies=(PolicyName(name="sample", version="1"),),
        policy_revision=digest,
        facts_revision=digest,
        data_revision="",
        engine_version=engine_version,
        evaluated_at=now,
        findings=(
            Finding(
                rule="sample/notify-test",
                action=action,
                key="sample",
                title="A sample",
                message="This is a sample, asked for with `watcher notify test`: nothing was pushed, and nothing is wrong.",
                remediation="There is nothing to do.",
            ),
        ),
        sections={name: Section() for name in SECTIONS},
        origin=Origin(source="notify-test", received_at=now),
    )
