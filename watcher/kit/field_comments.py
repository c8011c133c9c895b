"""What is said of each field of a struct where it is declared: the comment beside it, or the lines of comment right above it.

The page of settings and the JSON Schemas that editors read say what the declaration says.
"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec


def field_comments(struct: type[msgspec.Struct]) -> Mapping[str, str]:
    """By name, of inherited fields too. Empty where the program came without its source."""
    bases = [base for base in struct.__mro__ if base is not msgspec.Struct and issubclass(base, msgspec.Struct)]
    return {name: comment for base in reversed(bases) for name, comment in _comments_in(base).items() if comment}


def described_schema(shape: type[msgspec.Struct]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The JSON Schema of a struct, and of those that it is made of by their names, each key with what is said of it."""
    (root,), definitions = msgspec.json.schema_components((shape,), ref_template="#/$defs/{name}")
    for struct in _structs_of(msgspec.inspect.type_info(shape)):
        comments = field_comments(struct)
        for field in msgspec.structs.fields(struct):
            about = definitions[struct.__name__]["properties"][field.encode_name]
            if comment := comments.get(field.name):
                form = about.get("description")  # of a duration or a size
                about["description"] = f"{comment} ({form})" if form else comment
    return root, definitions


def _structs_of(asked: msgspec.inspect.Type) -> Mapping[type[msgspec.Struct], None]:
    """Every struct below a type, each once."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting = [asked]
    while waiting:
        each = waiting.pop()
        if isinstance(each, msgspec.inspect.StructType):
            if each.cls not in found:
                found[each.cls] = None
                waiting += [field.type for field in each.fields]
        elif isinstance(each, msgspec.inspect.Metadata):
            waiting.append(each.type)
        elif isinstance(each, msgspec.inspect.UnionType):
            waiting += each.types
        elif isinstance(each, msgspec.inspect.VarTupleType):
            waiting.append(each.item_type)
        elif isinstance(each, msgspec.inspect.DictType):
            waiting.append(each.value_type)
    return found


@cache
def _comments_in(struct: type[msgspec.Struct]) -> Mapping[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(struct))
    except OSError:
        return {}
    beside: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            beside[token.start[0]] = token.string.lstrip("# ")
    lines = source.splitlines()
    found: dict[str, str] = {}
    (body,) = [node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above: list[str] = []
            line = node.lineno - 1
            while line in beside and lines[line - 1].lstrip().startswith("#"):
                above.insert(0, beside[line])
                line -= 1
            last = node.end_lineno or node.lineno
            found[node.target.id] = " ".join([*above, *([beside[last]] if last in beside else [])])
    return found
