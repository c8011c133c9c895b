"""Policies into checked expressions: everything a typing mistake can break is found here, with its place in the file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cel_expr_python import cel

from watcher.evaluation.document.fields import MESSAGES
from watcher.evaluation.document.types import environment, sections_of
from watcher.evaluation.document.variables import ALWAYS_KNOWN, CHUNK, COLLECTIONS, LISTS, NOW, VARIABLES
from watcher.evaluation.policies.places import Places
from watcher.evaluation.policies.reading import PolicySource
from watcher.evaluation.policies.shapes import RuleDocument
from watcher.evaluation.policies.template import TemplateError, line_and_column, split_template
from watcher.evaluation.rules.diagnostics import PRINTABLE, complaints_of, pattern_problem, type_name
from watcher.evaluation.rules.syntax_tree import Reads, reads
from watcher.kit.yaml_source import Path
from watcher.model.errors import PolicyError
from watcher.model.verdict import Action, Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One compiled expression and what it can read."""

    expression: Any
    reads: Reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, ready to be evaluated.

    `when` is its `when` or `require`. `sections` are those its decision rests on besides that of the collection, but for what is
    read through a variable of its own (`base`): such a variable is left out when it is not known, and the expression may decide
    without it. `names` are the variables its expressions can read, `decides` those that `when` and `unless` can.
    `fields` and `unless_fields` are the columns of an item that these two read, None for all of them. `kept` are fields of an item
    that must be there. `asks_only_known`: of `base` it asks only whether it is known. `search` tells for a list of items whether
    any satisfies `when`, `unless_search` the same for `unless`.
    """

    name: str
    document: RuleDocument
    action: Action
    category: Category
    enforce_from: date | None
    collection: str | None
    variable: str
    when: Program
    unless: Program | None
    key: Program | None
    message: tuple["str | Program", ...]
    sections: frozenset[str]
    names: frozenset[str]
    decides: frozenset[str]
    asks_only_known: bool
    fields: frozenset[str] | None = None
    unless_fields: frozenset[str] | None = None
    kept: frozenset[str] = frozenset()
    reads_tags: bool = False
    search: Program | None = None
    unless_search: Program | None = None

    @property
    def reads_only_event(self) -> bool:
        """Whether it can be decided about an image that nobody has looked into."""
        return self.collection is None and self.decides <= {"event", LISTS, NOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`match` None applies always; what begins with `match_` is of it what the rest of the name is of a rule."""

    name: str
    version: str
    match: Program | None
    match_names: frozenset[str]
    match_sections: frozenset[str]
    match_asks_only_known: bool
    lists: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]

    @property
    def reads_tags(self) -> bool:
        """Whether it asks by which tags an image is known."""
        return (self.match is not None and _reads_tags(self.match.reads)) or any(rule.reads_tags for rule in self.rules)


def compile_policies(sources: Iterable[PolicySource]) -> tuple[Policy, ...]:
    """Compile all policies, in order of their names.

    Raises:
        PolicyError: everything that is wrong with any of them, one `file:line:column: what` a line.
    """
    complaints: list[str] = []
    policies: dict[str, Policy] = {}
    for source in sorted(sources, key=lambda each: each.document.metadata.name):
        policy = _Compiler(source=source, complaints=complaints).policy()
        if policy.name in policies:
            complaints.append(f"{source.places.at(('metadata', 'name'))}: there is already a policy called {policy.name!r}")
        policies[policy.name] = policy
    if complaints:
        raise PolicyError("\n".join(complaints))
    return tuple(policies.values())


_NOTHING = Program(expression=None, reads=Reads())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiler:
    """Compiles one policy. A part that is wrong is noted and replaced by nothing, so that the others are still looked at."""

    source: PolicySource
    complaints: list[str]

    @property
    def places(self) -> Places:
        return self.source.places

    def policy(self) -> Policy:
        document = self.source.document
        match = self._boolean(document.match, ("match",), None, "") if document.match is not None else None
        paths = match.reads.paths | match.reads.asked if match is not None else frozenset()
        return Policy(
            name=document.metadata.name,
            version=document.metadata.version,
            match=match,
            match_names=_names(paths, match.reads if match is not None else Reads()),
            match_sections=_inner_sections(match.reads, None, "") if match is not None else frozenset(),
            match_asks_only_known=_asks_only_known(paths),
            lists=self.source.lists,
            rules=tuple(self._rule(index, rule) for index, rule in enumerate(document.rules)),
        )

    def _rule(self, index: int, rule: RuleDocument) -> Rule:
        collection, _, variable = rule.each.partition(" as ") if rule.each is not None else ("", "", "")
        each = collection or None

        def place(key: str) -> Path:
            return ("rules", index, key)

        condition = rule.when if rule.when is not None else rule.require or ""
        condition_place = place("when" if rule.when is not None else "require")
        when = self._boolean(condition, condition_place, each, variable)
        unless = self._boolean(rule.unless, place("unless"), each, variable) if rule.unless is not None else None
        key = None
        # A finding about what is not there has no item to name.
        item = each if rule.require is None else None
        if each is not None and rule.require is None:
            written = rule.key if rule.key is not None else COLLECTIONS[each].key.format(variable)
            key = self._typed(written, place("key"), each, variable, cel.Type.STRING, "text")
        message = self._message(rule, index, item, variable if item is not None else "")
        decision = when.reads | (unless.reads if unless is not None else Reads())
        everything = decision | _all_reads(key, message)
        paths = decision.paths | decision.asked
        files = each == "files"
        return Rule(
            name=f"{self.source.document.metadata.name}/{rule.id}",
            document=rule,
            action=Action(rule.action),
            category=Category(rule.category),
            enforce_from=rule.enforce_from,
            collection=each,
            variable=variable,
            when=when,
            unless=unless,
            key=key,
            message=message,
            sections=_inner_sections(decision, each, variable),
            names=_names(everything.paths | everything.asked, everything),
            decides=_names(paths, decision),
            asks_only_known=_asks_only_known(paths),
            fields=_item_fields(when.reads, variable) if files else None,
            unless_fields=_item_fields(unless.reads, variable) if files and unless is not None else None,
            kept=_kept_fields(decision, each, variable),
            reads_tags=_reads_tags(everything),
            search=self._search(condition, each, variable) if files else None,
            unless_search=self._search(rule.unless, each, variable) if files and rule.unless is not None else None,
        )

    def _message(self, rule: RuleDocument, index: int, each: str | None, variable: str) -> tuple[str | Program, ...]:
        if not rule.message:
            return (rule.title or rule.id,)
        path = ("rules", index, "message")
        try:
            parts = split_template(rule.message)
        except TemplateError as error:
            self.complaints.append(f"{self.places.inside(path, *line_and_column(rule.message, error.offset))}: {error}")
            return ()
        built: list[str | Program] = []
        for part in parts:
            if not part.is_expression:
                built.append(part.text)
                continue
            program = self._compile(part.text, path, each, variable, within=(rule.message, part.offset))
            if program is not None:
                kind = program.expression.return_type()
                if not any(kind == allowed for allowed in PRINTABLE):
                    where = self.places.inside(path, *line_and_column(rule.message, part.offset))
                    self.complaints.append(
                        f"{where}: {{{{{part.text}}}}} is {type_name(kind)}; a message can hold text, numbers and lists of text"
                    )
                built.append(program)
        return tuple(built)

    def _boolean(self, text: str | None, path: Path, each: str | None, variable: str) -> Program:
        return self._typed(text or "", path, each, variable, cel.Type.BOOL, "true or false")

    def _typed(self, text: str, path: Path, each: str | None, variable: str, kind: Any, called: str) -> Program:
        program = self._compile(text, path, each, variable)
        if program is None:
            return _NOTHING
        found = program.expression.return_type()
        if found not in (kind, cel.Type.DYN):
            self.complaints.append(f"{self.places.at(path)}: `{path[-1]}` gives {type_name(found)}, expected {called}")
        return program

    def _compile(
        self, text: str, path: Path, each: str | None, variable: str, *, within: tuple[str, int] | None = None
    ) -> Program | None:
        """Compile and look at what the checker does not: names of lists and literal patterns.

        `within` is the message that `text` is part of, and where it begins there.
        """

        def place(line: int, column: int) -> str:
            if within is None:
                return self.places.inside(path, line, column)
            message, offset = within
            first_line, first_column = line_and_column(message, offset)
            return self.places.inside(path, first_line + line - 1, column + (first_column - 1 if line == 1 else 0))

        try:
            expression = environment(each, variable).compile(text)
        except RuntimeError as error:
            self.complaints.extend(complaints_of(str(error), place))
            return None
        found = reads(expression.serialize())
        for name in sorted(found.lists - self.source.lists.keys()):
            self.complaints.append(f"{place(1, 1)}: this policy has no list {name!r}")
        for pattern in sorted(found.patterns):
            problem = pattern_problem(pattern)
            if problem:
                self.complaints.append(f"{place(1, 1)}: {problem}")
        return Program(expression=expression, reads=found)

    def _search(self, text: str | None, each: str | None, variable: str) -> Program | None:
        """Whether any item of `chunk` satisfies a condition that was compiled before; None when it was wrong."""
        # The line break ends a comment, which would swallow the bracket.
        try:
            expression = environment(each, variable).compile(f"{CHUNK}.exists({variable}, (\n{text}\n))")
        except RuntimeError:
            return None
        return Program(expression=expression, reads=Reads())


def _all_reads(key: Program | None, message: Iterable[str | Program]) -> Reads:
    found = key.reads if key is not None else Reads()
    for part in message:
        if isinstance(part, Program):
            found |= part.reads
    return found


def _reads_tags(read: Reads) -> bool:
    return any(path[0] == "event" and (len(path) == 1 or path[1] in {"tag", "tags"}) for path in read.paths | read.asked)


def _names(paths: Iterable[tuple[str, ...]], read: Reads) -> frozenset[str]:
    names = {path[0] for path in paths} & {*VARIABLES, NOW}
    return frozenset(names | {LISTS}) if read.lists or read.any_list else frozenset(names)


def _inner_sections(read: Reads, each: str | None, variable: str) -> frozenset[str]:
    """The sections of what is read but for those its variables have as a whole."""
    return _union(
        sections_of(path, collection=each, variable=variable, asked=path in read.asked)
        - frozenset(VARIABLES[path[0]].sections if path[0] in VARIABLES else ())
        for path in read.paths | read.asked
    )


def _item_fields(read: Reads, variable: str) -> frozenset[str] | None:
    """The fields of an item that are read; None when it is read as a whole."""
    paths = [path for path in read.paths | read.asked if path[0] == variable]
    return None if any(len(path) == 1 for path in paths) else frozenset(path[1] for path in paths)


def _kept_fields(decision: Reads, each: str | None, variable: str) -> frozenset[str]:
    """Fields of an item whose value is needed, though it may not have been kept."""
    if each is None:
        return frozenset()
    needed = {path[1] for path in decision.paths - decision.asked if len(path) > 1 and path[0] == variable}
    return frozenset(field.name for field in MESSAGES[COLLECTIONS[each].message] if field.kept_per_item and field.name in needed)


def _asks_only_known(paths: Iterable[tuple[str, ...]]) -> bool:
    base = {path for path in paths if path[0] == "base"}
    return bool(base) and base <= ALWAYS_KNOWN


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)
