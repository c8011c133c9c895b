"""Images and policies in a line, for tests that are about one thing of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.evaluation.policies.reading import read_documents
from watcher.evaluation.protocol import Case
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.evaluation.settings import OnNoMatch
from watcher.model.digest import Digest
from watcher.model.image import OCI_MANIFEST, ImageConfig
from watcher.model.inventory import Base, Distro, FileTable, Inventory, LayerSummary
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import INSPECTED, Finding, Section, SectionState, Subject

BASE_LAYER = Digest("sha256:" + "b" * 64)
TOP_LAYER = Digest("sha256:" + "c" * 64)

Cases = Callable[..., Case]
Policies = Callable[..., PolicySet]


def _inventory(**fields: Any) -> Inventory:
    """Two layers, nothing in them, everything looked at; `fields` replace what is given."""
    plain = Inventory(
        digest=Digest("sha256:" + "a" * 64),
        media_type=OCI_MANIFEST,
        platform="linux/amd64",
        config_digest=Digest("sha256:" + "d" * 64),
        config=ImageConfig(os="linux", architecture="amd64", user="1000"),
        annotations={},
        compressed_bytes=1000,
        layers=(
            LayerSummary(digest=BASE_LAYER, media_type="", compressed_bytes=600, created_by="/bin/sh -c #(nop) ADD file:1 in / "),
            LayerSummary(digest=TOP_LAYER, media_type="", compressed_bytes=400, created_by="COPY . / # buildkit"),
        ),
        effective_uid=1000,
        distro=Distro(),
        base=Base(known=True, reference="registry.example.com/base/debian:12", digest=Digest("sha256:" + "e" * 64), layer_count=1),
        packages=(),
        files=FileTable(),
        users=(),
        secrets=(),
        sections={name: Section() for name in INSPECTED},
        facts_revision="sha256:" + "f" * 64,
    )
    return replace(plain, **fields)


def gap(state: SectionState, reason: str = "layer 1 is damaged") -> Section:
    """A section that was not looked at, or not whole."""
    return Section(state=state, reason=reason)


def brief(findings: tuple[Finding, ...]) -> list[tuple[str, str, str]]:
    """Rule, action and key of each."""
    return [(finding.rule, finding.action.value, finding.key) for finding in findings]


@pytest.fixture
def make_case() -> Cases:
    """`make_case(**inventory)`; `registry`, `environment`, `tags`, `now`, `sections` and `inspected=False` are about the case."""

    def make(
        *,
        registry: str = "registry.example.com",
        environment: str | None = None,
        tags: tuple[str, ...] = ("v1",),
        now: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        sections: dict[str, Section] | None = None,
        inspected: bool = True,
        **fields: Any,
    ) -> Case:
        inventory = _inventory(**fields)
        inventory = replace(inventory, sections={**inventory.sections, **(sections or {})})
        return Case(
            subject=Subject(
                registry=Host(registry),
                repository=RepositoryName("team/app"),
                digest=inventory.digest,
                tags=tuple(Tag(tag) for tag in tags),
                environment=environment,
            ),
            now=now,
            tag=Tag(tags[0]) if tags else None,
            inventory=inventory if inspected else None,
        )

    return make


@pytest.fixture
def make_policies() -> Policies:
    """`make_policies(rules, match=…, lists=…)`: one policy `p` with the YAML of its rules, one a line or more."""

    def make(rules: str, *, match: str = "true", lists: str = "{}", on_no_match: OnNoMatch = "fail") -> PolicySet:
        text = (
            "apiVersion: watcher/v1\nkind: Policy\nmetadata: {name: p, version: 1.2.3}\n"
            f"match: '{match}'\nlists: {lists}\nrules:\n" + "\n".join(f"  {line}" for line in rules.strip().splitlines())
        )
        return PolicySet.compile(read_documents(text, "p.yaml").policies, revision="sha256:0", on_no_match=on_no_match)

    return make
