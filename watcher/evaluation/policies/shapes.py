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

    name: Slug  # the first half of every rule's name
    # of this policy, as verdicts show it
    version: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+$", description="major.minor.patch")] = "0.0.0"
    owner: str = ""  # who answers for it
    description: str = ""  # what it is for


class ListFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A list kept in a text file beside the policy: one entry a line, `#` begins a comment."""

    from_: Annotated[str, msgspec.Meta(min_length=1)]  # the file, beside the policy


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule as written. What the keys mean: docs/reference/policy.md."""

    id: Slug  # its name within the policy: findings are called `policy/id`
    title: str = ""  # what should be true, in a line
    # `security` (when left out), `compliance` or `best-practice`: reports group by it
    category: Literal["security", "compliance", "best-practice"] = "security"
    # `fail` (when left out), `warn` or `note`; a note never changes the outcome
    action: Literal["fail", "warn", "note"] = "fail"
    # `packages as p`: the rule is evaluated once for each element, and each that matches is a finding
    each: Each | None = None
    # a glob, with `each: files` only: tried before `when`, and much cheaper
    path: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    when: Cel | None = None  # CEL: true is a finding
    require: Cel | None = None  # CEL, instead of `when` and with `each`: one finding when it is true for no element
    unless: Cel | None = None  # CEL: true cancels the finding
    # with `each`: findings only when more than this many elements match
    max: Annotated[int, msgspec.Meta(ge=0)] | None = None
    # CEL, text: what the finding is about. It names the finding in tests and reports, so it should not change when the
    # wording does. Left out, it follows from the collection
    key: Cel | None = None
    # text with `{{CEL}}` in it: text, numbers, times and lists of text can be shown. Left out, the title
    message: str = ""
    remediation: str = ""  # what to do about it
    # what becomes of the rule when it cannot be decided: `unknown` (when left out), `fail`, `warn` or `skip`
    on_missing: Literal["unknown", "fail", "warn", "skip"] = "unknown"
    # a day: before it, a fail counts as warn
    enforce_from: date | None = None
    references: tuple[str, ...] = ()  # addresses to read on
    tags: tuple[str, ...] = ()  # words to find the rule by


class PolicyDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"api_version": "apiVersion"}):
    """A policy as written."""

    api_version: Literal["watcher/v1"]  # `watcher/v1`
    kind: Literal["Policy"]  # `Policy`
    # `name` (lower-case letters, digits and dashes; the first half of every rule's name), `version` (major.minor.patch),
    # `owner`, `description`
    metadata: Metadata
    rules: Annotated[tuple[RuleDocument, ...], msgspec.Meta(min_length=1)]  # at least one
    match: Cel | None = None  # CEL, true or false: the policy applies only where it is true. Left out: always
    # lists of text that rules read as `lists["name"]`; `{from: FILE}` reads one from a file beside the policy, one entry a
    # line, `#` begins a comment
    lists: dict[str, tuple[str, ...] | ListFile] = {}


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a case must come to. `findings` and `absent` are globs over `policy/rule` or `policy/rule#key`."""

    outcome: Literal["pass", "warn", "fail", "unknown"] | None = None  # what all policies together come to
    findings: tuple[str, ...] = ()  # those that must be there
    absent: tuple[str, ...] = ()  # those that must not be there


class CaseDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case as written; `input` is laid over the test's `given`."""

    name: Annotated[str, msgspec.Meta(min_length=1)]  # what is true
    # `outcome`; `findings` that must be there and `absent` ones that must not, as globs over `policy/rule` or, with a `#`,
    # over `policy/rule#key`
    expect: Expect
    # the time of the case: a day, or a time as in RFC 3339. Left out: 2026-01-01
    now: str | None = None
    input: dict[str, Any] = {}  # laid over `given`: mappings key by key, everything else replaced


class PolicyTestDocument(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"api_version": "apiVersion"}
):
    """Cases for all policies that are loaded with them."""

    api_version: Literal["watcher/v1"]  # `watcher/v1`
    kind: Literal["PolicyTest"]  # `PolicyTest`
    cases: Annotated[tuple[CaseDocument, ...], msgspec.Meta(min_length=1)]  # at least one
    given: dict[str, Any] = {}  # a document that every case begins with
