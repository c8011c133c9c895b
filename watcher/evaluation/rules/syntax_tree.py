"""What an expression reads, from its checked syntax tree.

The library hands the tree out only as a serialised `cel.expr.CheckedExpr`; the nine messages of it that matter are described here.
Field numbers: cel-spec, proto/cel/expr/checked.proto and syntax.proto.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from watcher.evaluation.document.field_types import ELEMENT, LENGTH, Path

_INT64, _BOOL, _STRING, _MESSAGE = 3, 8, 9, 11
_TREE: Mapping[str, tuple[tuple[str, int, int, str, bool], ...]] = {
    # message: (field, number, type, message type, repeated)
    "CheckedExpr": (("expr", 4, _MESSAGE, "Expr", False),),
    "Expr": (
        ("id", 2, _INT64, "", False),
        ("const_expr", 3, _MESSAGE, "Constant", False),
        ("ident_expr", 4, _MESSAGE, "Ident", False),
        ("select_expr", 5, _MESSAGE, "Select", False),
        ("call_expr", 6, _MESSAGE, "Call", False),
        ("list_expr", 7, _MESSAGE, "CreateList", False),
        ("struct_expr", 8, _MESSAGE, "CreateStruct", False),
        ("comprehension_expr", 9, _MESSAGE, "Comprehension", False),
    ),
    "Constant": (("string_value", 6, _STRING, "", False),),
    "Ident": (("name", 1, _STRING, "", False),),
    "Select": (("operand", 1, _MESSAGE, "Expr", False), ("field", 2, _STRING, "", False), ("test_only", 3, _BOOL, "", False)),
    "Call": (("target", 1, _MESSAGE, "Expr", False), ("function", 2, _STRING, "", False), ("args", 3, _MESSAGE, "Expr", True)),
    "CreateList": (("elements", 1, _MESSAGE, "Expr", True),),
    "CreateStruct": (("entries", 2, _MESSAGE, "Entry", True),),
    "Entry": (("map_key", 3, _MESSAGE, "Expr", False), ("value", 4, _MESSAGE, "Expr", False)),
    "Comprehension": (
        ("iter_var", 1, _STRING, "", False),
        ("iter_range", 2, _MESSAGE, "Expr", False),
        ("accu_var", 3, _STRING, "", False),
        ("accu_init", 4, _MESSAGE, "Expr", False),
        ("loop_condition", 5, _MESSAGE, "Expr", False),
        ("loop_step", 6, _MESSAGE, "Expr", False),
        ("result", 7, _MESSAGE, "Expr", False),
        ("iter_var2", 8, _STRING, "", False),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """`paths` are read for their value, `asked` by `has()`; `lists` are the names in `lists["name"]`, `any_list` says that a name
    is computed, `patterns` are the literal arguments of `matches()`.

    A path ends where its value is used whole: `("image", "config", "exposed_ports", "*", "number")`, or `("v",)`.
    """

    paths: frozenset[Path] = frozenset()
    asked: frozenset[Path] = frozenset()
    lists: frozenset[str] = frozenset()
    any_list: bool = False
    patterns: frozenset[str] = frozenset()

    def __or__(self, other: "Reads") -> "Reads":
        return Reads(
            paths=self.paths | other.paths,
            asked=self.asked | other.asked,
            lists=self.lists | other.lists,
            any_list=self.any_list or other.any_list,
            patterns=self.patterns | other.patterns,
        )


def reads(serialized: bytes) -> Reads:
    """What a checked expression, as `Expression.serialize()` gives it, can read. Names it binds itself are not among them."""
    wrapped = any_pb2.Any.FromString(serialized)
    walk = _Walk()
    walk.visit(_checked_expr().FromString(wrapped.value).expr, {})
    return Reads(
        paths=frozenset(walk.paths),
        asked=frozenset(walk.asked),
        lists=frozenset(walk.lists),
        any_list=walk.any_list,
        patterns=frozenset(walk.patterns),
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    paths: set[Path] = field(default_factory=set)
    asked: set[Path] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    any_list: bool = False
    patterns: set[str] = field(default_factory=set)

    def visit(self, expr: Any, bound: Mapping[str, Path | None]) -> None:
        """Note what `expr` reads. `bound` maps names of comprehensions to what they stand for, None when it is a computed value."""
        chain = _chain(expr, bound)
        if chain is not None:
            self._note(*chain)
            return
        kind = expr.WhichOneof("kind")
        if kind == "comprehension_expr":
            self._comprehension(expr.comprehension_expr, bound)
        elif kind == "call_expr":
            self._call(expr.call_expr, bound)
        else:
            for child in _children(expr, kind):
                self.visit(child, bound)

    def _comprehension(self, loop: Any, bound: Mapping[str, Path | None]) -> None:
        inner = {**bound, loop.iter_var: self._element(loop.iter_range, bound), loop.accu_var: None}
        if loop.iter_var2:
            inner[loop.iter_var2] = None
        self.visit(loop.accu_init, bound)
        for part in (loop.loop_condition, loop.loop_step, loop.result):
            self.visit(part, inner)

    def _element(self, expr: Any, bound: Mapping[str, Path | None]) -> Path | None:
        """Note a list that is gone through; what one element of it stands for, None when that is a computed value."""
        chain = _chain(expr, bound)
        if chain is not None:
            if not chain[0]:
                return None
            # That a list was gone through is a read of it, even when nothing of its elements is.
            self._note((*chain[0], LENGTH), False)
            return (*chain[0], ELEMENT)
        condition = _filter_condition(expr)
        if condition is not None:
            loop = expr.comprehension_expr
            element = self._element(loop.iter_range, bound)
            self.visit(condition, {**bound, loop.iter_var: element, loop.accu_var: None})
            return element
        self.visit(expr, bound)
        return None

    def _call(self, call: Any, bound: Mapping[str, Path | None]) -> None:
        arguments = [*((call.target,) if call.HasField("target") else ()), *call.args]
        if call.function == "size" and len(arguments) == 1:
            self._element(arguments[0], bound)
            return
        if call.function == "matches" and arguments and arguments[-1].WhichOneof("kind") == "const_expr":
            self.patterns.add(arguments[-1].const_expr.string_value)
        for argument in arguments:
            self.visit(argument, bound)

    def _note(self, path: Path, asked: bool) -> None:
        if path[:1] != ("lists",):
            if path:
                (self.asked if asked else self.paths).add(path)
        elif len(path) > 1 and path[1] != LENGTH:
            self.lists.add(path[1])
        else:
            # `lists` as a whole or under a computed name.
            self.any_list = True


def _chain(expr: Any, bound: Mapping[str, Path | None]) -> tuple[Path, bool] | None:
    """The path of `a.b[0].c` and whether it stands in `has()`; None for anything else. A computed name has the empty path."""
    fields: list[str] = []
    asked = False
    while True:
        kind = expr.WhichOneof("kind")
        if kind == "select_expr":
            asked = asked or (expr.select_expr.test_only and not fields)
            fields.append(expr.select_expr.field)
            expr = expr.select_expr.operand
            continue
        function = expr.call_expr.function if kind == "call_expr" else ""
        if function not in {"_?._", "_[_]"} or expr.call_expr.args[1].WhichOneof("kind") != "const_expr":
            break
        operand, selector = expr.call_expr.args
        if function == "_?._":
            # `a.?b` gives an optional value, so whoever reads it deals with its absence as with `has()`.
            asked = asked or not fields
            fields.append(selector.const_expr.string_value)
        elif operand.WhichOneof("kind") == "ident_expr" and operand.ident_expr.name == "lists" and "lists" not in bound:
            fields.append(selector.const_expr.string_value)
        else:
            fields.append(ELEMENT)
        expr = operand
    if kind != "ident_expr":
        return None
    name = expr.ident_expr.name
    root = bound.get(name, (name,))
    return ((*root, *reversed(fields)), asked) if root is not None else ((), False)


def _filter_condition(expr: Any) -> Any | None:
    """The condition when `expr` is `range.filter(x, condition)`: `condition ? accu + [x] : accu`."""
    if expr.WhichOneof("kind") != "comprehension_expr":
        return None
    loop = expr.comprehension_expr
    step = loop.loop_step.call_expr
    if step.function != "_?_:_" or step.args[1].call_expr.function != "_+_":
        return None
    added = step.args[1].call_expr.args[1].list_expr.elements
    if len(added) != 1 or added[0].ident_expr.name != loop.iter_var:
        return None
    return step.args[0]


def _children(expr: Any, kind: str | None) -> Iterator[Any]:
    if kind == "select_expr":
        yield expr.select_expr.operand
    elif kind == "list_expr":
        yield from expr.list_expr.elements
    elif kind == "struct_expr":
        for entry in expr.struct_expr.entries:
            if entry.HasField("map_key"):
                yield entry.map_key
            yield entry.value


@cache
def _checked_expr() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="checked.proto", package="cel.expr", syntax="proto3")
    for name, fields in _TREE.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, of, repeated in fields:
            described = message.field.add(name=field_name, number=number, type=kind, label=3 if repeated else 1)
            if of:
                described.type_name = f".cel.expr.{of}"
            if name == "Expr" and field_name.endswith("_expr"):
                described.oneof_index = 0
        if name == "Expr":
            message.oneof_decl.add(name="kind")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("cel.expr.CheckedExpr"))
