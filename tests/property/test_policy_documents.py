"""Any text and any image: policies are read or refused, images are judged, and nothing else is ever raised."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.evaluation.policies.loading import load_policies
from watcher.evaluation.policies.reading import list_files_of, read_documents
from watcher.evaluation.policies.template import TemplateError, split_template
from watcher.evaluation.protocol import Case
from watcher.evaluation.rules.compile import compile_policies
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.model.build_steps import instruction_of
from watcher.model.digest import Digest
from watcher.model.errors import PolicyError
from watcher.model.image import HistoryEntry, ImageConfig
from watcher.model.inventory import (
    Base,
    Distro,
    FileTable,
    Inventory,
    LayerSummary,
    Package,
    PackageRecord,
    Secret,
    SecretHit,
    User,
)
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import SECTIONS, Action, Outcome, Section, SectionState, Subject

HEAD = "apiVersion: watcher/v1\nkind: Policy\nmetadata: {name: p}\nrules:\n"
DIGEST = Digest("sha256:" + "a" * 64)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
rule_keys = st.sampled_from(["id", "when", "require", "unless", "each", "path", "max", "key", "message", "action", "lists", "x"])
expressions = st.text(st.sampled_from(list("event.tag image pfs'\"(){}[]|&!=<>+-1,?: \n")), max_size=40)


def complaints(text: str) -> list[str]:
    """Read and compile; anything but PolicyError is a failure of the test."""
    try:
        compile_policies(read_documents(text, "p.yaml").policies)
    except PolicyError as error:
        return str(error).splitlines()
    return []


@given(st.text(max_size=300) | st.text(st.sampled_from(list("a:-[]{}&*!|>'\"%@`#, \n\t")), max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    """A complaint names its file."""
    list_files_of(text, "p.yaml")
    assert all(line.startswith("p.yaml") for line in complaints(text)[:1])


@given(st.dictionaries(rule_keys, json_values | expressions, max_size=6), json_values)
def test_any_rule_is_read_or_refused(rule: dict[str, object], lists: object) -> None:
    """A rule of any shape is a rule or complaints, each with its place."""
    text = f"apiVersion: watcher/v1\nkind: Policy\nmetadata: {{name: p}}\nlists: {json.dumps(lists)}\nrules: [{json.dumps(rule)}]"
    assert all(line.startswith("p.yaml:") for line in complaints(text))


@given(expressions)
def test_any_expression_compiles_or_is_refused(text: str) -> None:
    """At its own line."""
    assert all(line.startswith("p.yaml:5:") for line in complaints(f"{HEAD}- {{id: r, when: {json.dumps(text)}}}"))


@given(st.text(st.sampled_from(list("{}'\"\\ab ")), max_size=60))
def test_a_message_is_the_sum_of_its_parts(message: str) -> None:
    """Nothing is lost in taking it apart."""
    try:
        parts = split_template(message)
    except TemplateError:
        return
    assert "".join(f"{{{{{part.text}}}}}" if part.is_expression else part.text for part in parts) == message
    assert all(message[part.offset :].startswith(part.text) for part in parts)


@given(st.text(max_size=60))
def test_any_build_step_is_an_instruction(created_by: str) -> None:
    """Whatever a builder wrote."""
    instruction_of(created_by)


texts = st.text(st.characters(exclude_categories=()), max_size=12)
numbers = st.integers(min_value=-(2**70), max_value=2**70)
packages = st.builds(
    Package,
    record=st.builds(PackageRecord, type=st.just("deb"), name=texts, version=texts, purl=texts),
    path=texts,
    layer=st.integers(0, 3),
)
secrets = st.builds(
    Secret,
    hit=st.builds(
        SecretHit,
        rule=st.sampled_from(["aws-access-key-id", "private-key", "token"]),
        title=texts,
        path=texts,
        line=st.none() | st.integers(1, 2**31),
        fingerprint=st.just("f"),
        preview=st.just("p"),
        confidence=st.sampled_from(["high", "low"]),
    ),
    where=st.sampled_from(["file", "layer", "env", "label", "history"]),
    layer=st.none() | st.integers(0, 3),
    layer_digest=st.none() | st.just(DIGEST),
    present_in_final=st.booleans(),
)
users = st.builds(User, name=texts, uid=numbers, gid=numbers, home=texts, shell=texts)
configs = st.builds(
    ImageConfig,
    user=texts,
    created=texts,
    env=st.lists(texts, max_size=3).map(tuple),
    exposed_ports=st.lists(texts | st.just("22/tcp"), max_size=3).map(tuple),
    labels=st.dictionaries(texts, texts, max_size=2),
    history=st.lists(st.builds(HistoryEntry, created_by=texts), max_size=3).map(tuple),
)
sections = st.builds(Section, state=st.sampled_from(list(SectionState)), reason=st.text(max_size=5))


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    rows = draw(
        st.lists(
            st.tuples(st.text(max_size=10), st.sampled_from(list("fdlhbp")), st.integers(0, 0o7777), st.integers(0, 2**70)),
            max_size=5,
        )
    )
    count = len(rows)
    table = FileTable(
        path=[row[0] for row in rows],
        kind=[row[1] for row in rows],
        mode=[row[2] for row in rows],
        uid=[row[3] for row in rows],
        gid=[0] * count,
        size=[row[3] for row in rows],
        link=[""] * count,
        layer=[0] * count,
    )
    return Inventory(
        digest=DIGEST,
        media_type="x",
        platform=draw(texts),
        config_digest=DIGEST,
        config=draw(configs),
        annotations=draw(st.dictionaries(texts, texts, max_size=2)),
        compressed_bytes=1,
        layers=(LayerSummary(digest=DIGEST, media_type="x", compressed_bytes=1, created_by=draw(texts)),),
        effective_uid=draw(st.none() | numbers),
        distro=Distro(id=draw(texts), known=True),
        base=draw(st.just(Base()) | st.builds(Base, known=st.just(True), reference=texts, layer_count=st.integers(0, 2))),
        packages=tuple(draw(st.lists(packages, max_size=3))),
        files=table,
        users=tuple(draw(st.lists(users, max_size=2))),
        secrets=tuple(draw(st.lists(secrets, max_size=3))),
        sections=draw(st.dictionaries(st.sampled_from(SECTIONS), sections)),
        facts_revision="",
    )


SOURCES = load_policies(["baseline"])
BASELINE = PolicySet.compile(SOURCES.documents.policies, revision=SOURCES.revision)


@settings(max_examples=60)
@given(st.none() | inventories(), st.sampled_from([None, "production"]))
def test_any_image_is_judged(inventory: Inventory | None, environment: str | None) -> None:
    """The outcome follows from the findings, twice the same, and an image that was not looked at does not pass."""
    subject = Subject(registry=Host("docker.io"), repository=RepositoryName("a"), digest=DIGEST, tags=(), environment=environment)
    case = Case(subject=subject, now=datetime(2026, 1, 1, tzinfo=UTC), inventory=inventory)
    judgement = BASELINE.evaluate(case)
    assert judgement == BASELINE.evaluate(case)
    actions = {finding.action for finding in judgement.findings}
    assert (judgement.outcome is Outcome.FAIL) == (Action.FAIL in actions)
    assert (judgement.outcome is Outcome.PASS) <= (inventory is not None and actions <= {Action.NOTE})
