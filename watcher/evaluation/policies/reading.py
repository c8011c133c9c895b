"""Policy and PolicyTest documents, `watcher/v1`: YAML into typed values, with every mistake named at its place.

Reference: docs/reference/policy.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watcher.evaluation.document.variables import NAMES
from watcher.evaluation.policies.conversion import convert
from watcher.evaluation.policies.places import Places
from watcher.evaluation.policies.shapes import API_VERSION, ListFile, PolicyDocument, PolicyTestDocument
from watcher.kit.yaml_source import YamlSource, parse_yaml
from watcher.model.errors import ConfigurationError, PolicyError

# A finding of no policy has this name, so no policy may.
RESERVED_POLICY = "policies"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySource:
    """A policy with its places. `lists` hold their final entries, whether inline, from a file or replaced by the operator."""

    document: PolicyDocument
    lists: Mapping[str, tuple[str, ...]]
    places: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTestSource:
    document: PolicyTestDocument
    places: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    policies: tuple[PolicySource, ...] = ()
    tests: tuple[PolicyTestSource, ...] = ()

    def __add__(self, other: "Documents") -> "Documents":
        return Documents(policies=self.policies + other.policies, tests=self.tests + other.tests)


def read_documents(text: str, file: str, list_files: Mapping[str, tuple[str, ...]] | None = None) -> Documents:
    """Every document of one file. `list_files` gives the entries of each list file by the name that the policy uses.

    Raises:
        PolicyError: all that is wrong with the file, one `file:line:column: what` a line.
    """
    try:
        sources = parse_yaml(text, file)
    except ConfigurationError as error:
        raise PolicyError(str(error)) from error
    lines = tuple(text.splitlines())
    complaints: list[str] = []
    policies: list[PolicySource] = []
    tests: list[PolicyTestSource] = []
    for source in sources:
        if source.value is None:
            continue
        places = Places(source=source, lines=lines)
        kind = _kind(source, complaints)
        if kind == "Policy":
            policy = convert(source, PolicyDocument, complaints)
            if policy is not None:
                lists = _lists(policy, places, list_files or {}, complaints)
                complaints.extend(_policy_complaints(policy, places))
                policies.append(PolicySource(document=policy, lists=lists, places=places))
        elif kind == "PolicyTest":
            test = convert(source, PolicyTestDocument, complaints)
            if test is not None:
                tests.append(PolicyTestSource(document=test, places=places))
    if complaints:
        raise PolicyError("\n".join(complaints))
    return Documents(policies=tuple(policies), tests=tuple(tests))


def list_files_of(text: str, file: str) -> Sequence[str]:
    """The files that the policies of a text take lists from; empty for a text that cannot be read, which is told later."""
    try:
        sources = parse_yaml(text, file)
    except ConfigurationError:
        return []
    found: list[str] = []
    for source in sources:
        lists = source.value.get("lists") if isinstance(source.value, dict) else None
        entries = lists.values() if isinstance(lists, dict) else ()
        found.extend(entry["from"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("from"), str))
    return found


def _kind(source: YamlSource, complaints: list[str]) -> str | None:
    if not isinstance(source.value, dict):
        complaints.append(f"{source.at(())}: expected a document with apiVersion and kind")
        return None
    version, kind = source.value.get("apiVersion"), source.value.get("kind")
    if version != API_VERSION:
        complaints.append(f"{source.at(('apiVersion',))}: apiVersion is {version!r:.60}, expected {API_VERSION!r}")
        return None
    if kind == "Exceptions":
        complaints.append(f"{source.at(('kind',))}: exceptions are not supported by this version; it reads Policy and PolicyTest")
        return None
    if kind not in ("Policy", "PolicyTest"):
        complaints.append(f"{source.at(('kind',))}: kind is {kind!r:.60}, expected Policy or PolicyTest")
        return None
    return str(kind)


def _lists(
    policy: PolicyDocument, places: Places, files: Mapping[str, tuple[str, ...]], complaints: list[str]
) -> Mapping[str, tuple[str, ...]]:
    lists: dict[str, tuple[str, ...]] = {}
    for name, entries in policy.lists.items():
        if not isinstance(entries, ListFile):
            lists[name] = entries
        elif entries.from_ in files:
            lists[name] = files[entries.from_]
        else:
            complaints.append(f"{places.at(('lists', name))}: list file {entries.from_!r} cannot be read")
    return lists


def _policy_complaints(policy: PolicyDocument, places: Places) -> Sequence[str]:
    complaints: list[str] = []
    if policy.metadata.name == RESERVED_POLICY:
        complaints.append(f"{places.at(('metadata', 'name'))}: the name {RESERVED_POLICY!r} is taken by findings of no policy")
    seen: set[str] = set()
    for index, rule in enumerate(policy.rules):

        def complain(key: str, text: str, index: int = index) -> None:
            complaints.append(f"{places.at(('rules', index, key))}: {text}")

        if rule.id in seen:
            complain("id", f"a rule of this policy is already called {rule.id!r}")
        seen.add(rule.id)
        if (rule.when is None) == (rule.require is None):
            complain("when" if rule.when is not None else "id", "a rule has either `when` or `require`")
        if rule.each is None:
            for key in ("path", "require", "max", "key"):
                if getattr(rule, key) is not None:
                    complain(key, f"`{key}` needs `each`")
            continue
        collection, _, variable = rule.each.partition(" as ")
        if variable in NAMES:
            complain("each", f"{variable!r} already means something else; use another name")
        if rule.path is not None and collection != "files":
            complain("path", "`path` goes with `each: files as …` only")
        if rule.require is not None and (rule.max is not None or rule.key is not None):
            complain("require", "`require` has one finding, about what is not there: no `max`, no `key`")
    return complaints
