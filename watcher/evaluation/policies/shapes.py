"""Policy and PolicyTest documents as written, `watcher/v1`: what msgspec reads and the JSON Schemas are made from."""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from watcher.evaluation.document.variables import COLLECTIONS

API_VERSION = "watcher/v1"
_SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"
Slug = Annotated[str, msgspec.Meta(pattern=_SLUG, description="lower-case letters, digits and dashes, at most 63")]
Cel = Annotated[str, msgspec.Meta(min_length=1, description="a CEL expression")]
Each = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^({'|'.join(COLLECTIONS)}) as [a-z][a-z0-9_]*$",
        description="`packages as p`: the rule is evaluated once for each",
    ),
]


class Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who speaks. `name` is the first half of every rule's name."""

    name: Slug
    version: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+$", description="major.minor.patch")] = "0.0.0"
    owner: str = ""
    description: str = ""


class ListFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A list kept in a text file beside the policy: one entry a line, `#` begins a comment."""

    from_: Annotated[str, msgspec.Meta(min_length=1)]


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule as written. What the keys mean: docs/reference/policy.md."""

    id: Slug
    title: str = ""
    category: Literal["security", "compliance", "best-practice"] = "security"
    action: Literal["fail", "warn", "note"] = "fail"
    each: Each | None = None
    path: Annotated[str, msgspec.Meta(min_length=1, description="a glob, tried before `when`; with files only")] | None = None
    when: Cel | None = None
    require: Cel | None = None
    unless: Cel | None = None
    max: Annotated[int, msgspec.Meta(ge=0, description="findings only when more than this many match")] | None = None
    key: Cel | None = None
    message: Annotated[str, msgspec.Meta(description="text with {{CEL}} in it; the title when left out")] = ""
    remediation: str = ""
    on_missing: Literal["unknown", "fail", "warn", "skip"] = "unknown"
    enforce_from: Annotated[date, msgspec.Meta(description="before this day a fail counts as warn")] | None = None
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class PolicyDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"api_version": "apiVersion"}):
    """A policy as written."""

    api_version: Literal["watcher/v1"]
    kind: Literal["Policy"]
    metadata: Metadata
    rules: Annotated[tuple[RuleDocument, ...], msgspec.Meta(min_length=1)]
    match: Cel | None = None
    lists: dict[str, tuple[str, ...] | ListFile] = {}


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a case must come to. `findings` and `absent` are globs over `policy/rule` or `policy/rule#key`."""

    outcome: Literal["pass", "warn", "fail", "unknown"] | None = None
    findings: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class CaseDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case as written; `input` is laid over the test's `given`."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    expect: Expect
    now: Annotated[str, msgspec.Meta(description="a day, or a time as in RFC 3339")] | None = None
    input: dict[str, Any] = {}


class PolicyTestDocument(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"api_version": "apiVersion"}
):
    """Cases for all policies that are loaded with them."""

    api_version: Literal["watcher/v1"]
    kind: Literal["PolicyTest"]
    cases: Annotated[tuple[CaseDocument, ...], msgspec.Meta(min_length=1)]
    given: dict[str, Any] = {}
