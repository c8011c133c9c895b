"""A verdict to start from; tests change what they are about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import (
    SECTIONS,
    Action,
    Category,
    Evidence,
    Finding,
    Origin,
    Outcome,
    PolicyName,
    Section,
    Subject,
    Verdict,
)

IMAGE = Digest("sha256:" + "1" * 64)
LAYER = Digest("sha256:" + "2" * 64)
MOMENT = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)

SUBJECT = Subject(
    registry=Host("registry.example.com"),
    repository=RepositoryName("team/app"),
    digest=IMAGE,
    tags=(Tag("v1"),),
    environment="production",
)

FINDING = Finding(
    rule="baseline/aws-keys",
    action=Action.FAIL,
    key="aws-access-key-id@root/.aws/credentials",
    title="No AWS keys",
    message="AWS access key in /root/.aws/credentials line 2",
    remediation="Rotate the key.",
    category=Category.SECURITY,
    evidence=Evidence(layer=LAYER, layer_index=3, created_by="COPY . /", path="root/.aws/credentials", line=2),
)

_VERDICT = Verdict(
    id="v-1",
    outcome=Outcome.FAIL,
    subject=SUBJECT,
    tag=Tag("v1"),
    media_type="application/vnd.oci.image.manifest.v1+json",
    platform="linux/amd64",
    policies=(PolicyName(name="baseline", version="1.0.0"),),
    policy_revision="sha256:" + "3" * 64,
    facts_revision="sha256:" + "4" * 64,
    data_revision="",
    engine_version="0.1.0",
    evaluated_at=MOMENT,
    findings=(FINDING,),
    sections={name: Section() for name in SECTIONS},
    origin=Origin(source="main", received_at=MOMENT, actor="ci"),
)


def a_verdict(**changes: Any) -> Verdict:
    return replace(_VERDICT, **changes)
