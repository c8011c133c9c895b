"""One evaluation of one document: what each rule says, and what it cannot say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from watcher.evaluation.document.case import Document
from watcher.evaluation.document.fields import EFFECTIVE_USER
from watcher.evaluation.document.types import environment
from watcher.evaluation.document.variables import COLLECTIONS, LISTS, NOW, VARIABLES
from watcher.evaluation.rules.compile import Policy, Rule
from watcher.evaluation.rules.expressions import Failure, decision, message_of, text, truth
from watcher.evaluation.rules.search import Found, search_files, search_items
from watcher.model.digest import Digest
from watcher.model.verdict import Action, Evidence, Finding, Section, SectionState

# What a rule finds beyond this is counted in one last finding: a verdict is read by people and sent in messages.
MAX_FINDINGS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One evaluation of one document. Activations hold what the library converted, so they are shared between rules."""

    document: Document
    items: dict[tuple[str, str, str, frozenset[str]], Sequence[Any]] = field(default_factory=dict)

    def applies(self, policy: Policy) -> bool | Failure:
        if policy.match is None:
            return True
        gaps = self._gaps(policy.match_sections)
        if gaps:
            return Failure(reason=_gap_text(gaps))
        names = self._known(policy.match_names, base=policy.match_asks_only_known)
        activation = environment(None, "").Activation(self._values(policy, names))
        result = truth(policy.match, activation)
        gaps = self._variable_gaps(policy.match_names - names)
        return Failure(reason=_gap_text(gaps)) if isinstance(result, Failure) and gaps else result

    def findings(self, policy: Policy, rule: Rule) -> Sequence[Finding]:
        """What a rule says, in order of its items' keys."""
        inner = self._gaps(rule.sections)
        if rule.collection is None:
            return self._missing(rule, inner) if inner else self._image_findings(policy, rule)
        collection = COLLECTIONS[rule.collection]
        own = self._gaps({collection.section, *collection.besides})
        if inner:
            return self._missing(rule, {**own, **inner})
        found = self._search(policy, rule)
        if found.undecided:
            # Most often because a variable that the rule reads is not known; then that is the reason to give.
            own = {**own, **self._unknown(rule)}
        return self._item_findings(policy, rule, found, own)

    def broken(self, rule: Rule, error: Exception) -> Finding:
        """A rule that cannot be evaluated by a mistake of ours, which `on_missing: skip` does not hide."""
        said = f"could not be decided, by a mistake of the watcher's own: {type(error).__name__}"
        return _new(rule, Action.UNKNOWN, f"{rule.document.title or rule.document.id}: {said}", key="error")

    def _image_findings(self, policy: Policy, rule: Rule) -> Sequence[Finding]:
        activation = environment(None, "").Activation(self._values(policy, self._names(rule)))
        result = decision(rule, activation)
        if isinstance(result, Failure):
            gaps = self._unknown(rule)
            return self._missing(rule, gaps) if gaps else self._erred(rule, result.reason, 1)
        return [self._finding(rule, message_of(rule, activation))] if result else []

    def _item_findings(self, policy: Policy, rule: Rule, found: Found, gaps: Mapping[str, Section]) -> Sequence[Finding]:
        open_questions = self._missing(rule, gaps) if gaps else self._erred(rule, found.reason, found.undecided)
        undecided = bool(gaps or found.undecided)
        if rule.document.require is not None:
            # One item that satisfies it settles the matter, whatever else could not be read.
            if found.hits:
                return []
            if undecided:
                return open_questions
            activation = environment(None, "").Activation(self._values(policy, self._names(rule)))
            return [self._finding(rule, message_of(rule, activation))]
        limit = rule.document.max
        if limit is not None:
            if len(found.hits) > limit:
                return self._hits(policy, rule, found.hits)
            possible = bool(gaps) or len(found.hits) + found.undecided > limit
            return open_questions if possible else []
        hits = self._hits(policy, rule, found.hits)
        return [*hits, *open_questions] if undecided else hits

    def _search(self, policy: Policy, rule: Rule) -> Found:
        if rule.collection == "files":
            values = self._values(policy, self._names(rule))
            made = environment("files", rule.variable)
            return search_files(rule, self.document.files, lambda items: made.Activation({**values, **items}))
        return search_items(rule, self._activations(policy, rule))

    def _hits(self, policy: Policy, rule: Rule, hits: Sequence[int]) -> Sequence[Finding]:
        collection = rule.collection or ""
        if collection == "files":
            values = self._values(policy, self._names(rule))
            made = environment("files", rule.variable)
        found: list[Finding] = []
        failures: list[Failure] = []
        for number in hits[:MAX_FINDINGS]:
            if collection == "files":
                item = self.document.files.message(number)
                activation = made.Activation({**values, rule.variable: item})
            else:
                item = self.document.collections[collection][number]
                activation = self._activations(policy, rule)[number]
            key = text(rule.key, activation) if rule.key is not None else ""
            if isinstance(key, Failure):
                failures.append(key)
                continue
            found.append(self._finding(rule, message_of(rule, activation), key=key, evidence=self._evidence(collection, item)))
        ordered = list(dict.fromkeys(sorted(found, key=_place)))
        if len(hits) > MAX_FINDINGS:
            ordered.append(self._finding(rule, f"and {len(hits) - MAX_FINDINGS} more like these", key="more"))
        if failures:
            ordered.extend(self._erred(rule, f"no key: {failures[0].reason}", len(failures)))
        return ordered

    def _activations(self, policy: Policy, rule: Rule) -> Sequence[Any]:
        """One activation an item, shared by all rules that read the same variables."""
        collection, names = rule.collection or "", self._names(rule)
        place = (policy.name, collection, rule.variable, names)
        if place not in self.items:
            made = environment(collection, rule.variable)
            values = self._values(policy, names)
            self.items[place] = [
                made.Activation({**values, rule.variable: item}) for item in self.document.collections.get(collection, ())
            ]
        return self.items[place]

    def _names(self, rule: Rule) -> frozenset[str]:
        """The variables a rule is given: those it reads and that are known."""
        return self._known(rule.names, base=rule.asks_only_known)

    def _known(self, names: Iterable[str], *, base: bool) -> frozenset[str]:
        """`base` is known in any case where only `base.known` is asked for."""
        return frozenset(name for name in names if (base and name == "base") or not self._gaps(_sections_of_variable(name)))

    def _unknown(self, rule: Rule) -> dict[str, Section]:
        """Why variables that a rule decides by are not there."""
        return self._variable_gaps(rule.decides - self._names(rule))

    def _values(self, policy: Policy, names: Iterable[str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in names:
            if name == LISTS:
                values[name] = {key: list(entries) for key, entries in {**policy.lists, **self._lists(policy)}.items()}
            elif name == NOW:
                values[name] = self.document.now
            elif name in self.document.variables:
                values[name] = self.document.variables[name]
        return values

    def _lists(self, policy: Policy) -> Mapping[str, tuple[str, ...]]:
        return {name: entries for name, entries in self.document.lists.items() if name in policy.lists}

    def _gaps(self, sections: Iterable[str]) -> dict[str, Section]:
        """Those that cannot be relied on."""
        states = {name: self.document.sections.get(name, Section()) for name in sorted(sections)}
        return {name: section for name, section in states.items() if section.state is not SectionState.COMPLETE}

    def _variable_gaps(self, names: Iterable[str]) -> dict[str, Section]:
        return self._gaps({section for name in names for section in _sections_of_variable(name)})

    def _missing(self, rule: Rule, gaps: Mapping[str, Section]) -> Sequence[Finding]:
        named = ",".join(dict.fromkeys("users" if name == EFFECTIVE_USER else name for name in gaps))
        return self._undecided(rule, _gap_text(gaps), key=f"section:{named}")

    def _erred(self, rule: Rule, reason: str, count: int) -> Sequence[Finding]:
        where = f" for {count} of them" if rule.collection is not None else ""
        return self._undecided(rule, f"evaluation failed{where}: {reason}", key="error")

    def _undecided(self, rule: Rule, reason: str, *, key: str) -> Sequence[Finding]:
        missing = rule.document.on_missing
        if missing == "skip":
            return []
        action = self._enforced(rule, Action(missing))
        return [_new(rule, action, f"{rule.document.title or rule.document.id}: could not be decided: {reason}", key=key)]

    def _finding(self, rule: Rule, message: str, *, key: str = "", evidence: Evidence | None = None) -> Finding:
        return _new(rule, self._enforced(rule, rule.action), message, key=key, evidence=evidence)

    def _enforced(self, rule: Rule, action: Action) -> Action:
        early = rule.enforce_from is not None and self.document.now.date() < rule.enforce_from
        return Action.WARN if early and action is Action.FAIL else action

    def _evidence(self, collection: str, item: Message) -> Evidence | None:
        place: Any = getattr(item, "package") if collection == "vulnerabilities" else item  # noqa: B009 - generated class
        if collection == "sbom_extra" or "layer" not in place.DESCRIPTOR.fields_by_name:
            return None  # it is in no layer
        index = place.layer if place.HasField("layer") else None
        image: Any = self.document.variables.get("image")
        layers = image.layers if image is not None else ()
        created_by = layers[index].created_by if index is not None and 0 <= index < len(layers) else ""
        in_file = collection != "secrets" or place.where in ("", "file")
        return Evidence(
            layer=Digest(place.layer_digest) if place.layer_digest else None,
            layer_index=index,
            created_by=created_by or None,
            path=(place.path or None) if in_file else None,
            line=(place.line or None) if collection == "secrets" and in_file else None,
        )


def _new(rule: Rule, action: Action, message: str, *, key: str, evidence: Evidence | None = None) -> Finding:
    return Finding(
        rule=rule.name,
        action=action,
        message=message,
        key=key,
        title=rule.document.title,
        category=rule.category,
        remediation=rule.document.remediation,
        evidence=evidence,
    )


def _sections_of_variable(name: str) -> tuple[str, ...]:
    return VARIABLES[name].sections if name in VARIABLES else ()


def _gap_text(gaps: Mapping[str, Section]) -> str:
    return "; ".join(
        f"{'users' if name == EFFECTIVE_USER else name} {section.state.value.replace('-', ' ')}"
        + (f" ({section.reason})" if section.reason else "")
        for name, section in gaps.items()
    )


def _place(finding: Finding) -> tuple[str, int, str, int, str]:
    evidence = finding.evidence or Evidence()
    layer = -1 if evidence.layer_index is None else evidence.layer_index
    return (finding.key, layer, evidence.path or "", evidence.line or 0, finding.message)
