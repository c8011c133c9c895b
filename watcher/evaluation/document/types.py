"""The inspection document as protobuf types, and the typed CEL environments over it."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import Message

from watcher.evaluation.document.field_types import ELEMENT, LENGTH, Field, Path
from watcher.evaluation.document.fields import MESSAGES, SEVERITIES
from watcher.evaluation.document.variables import ALWAYS_KNOWN, CHUNK, COLLECTIONS, LISTS, NOW, VARIABLES
from watcher.kit.glob import glob_any, glob_match

CONTAINER = "inspect.v1"

_Described = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Described.TYPE_STRING,
    "int64": _Described.TYPE_INT64,
    "bool": _Described.TYPE_BOOL,
    "double": _Described.TYPE_DOUBLE,
}


@cache
def pool() -> descriptor_pool.DescriptorPool:
    built = descriptor_pool.DescriptorPool()
    built.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    built.AddSerializedFile(_file().SerializeToString())
    return built


@cache
def message_class(name: str) -> type[Message]:
    """The class of a message of the table, by its name there."""
    found: type[Message] = message_factory.GetMessageClass(pool().FindMessageTypeByName(f"{CONTAINER}.{name}"))
    return found


@cache
def environment(collection: str | None, variable: str) -> Any:
    """The CEL environment of a rule: all variables, and for a rule with `each` its `variable`; `chunk` is a list of such items."""
    variables = {name: cel.Type(f"{CONTAINER}.{variable.message}") for name, variable in VARIABLES.items()}
    variables[LISTS] = cel.Type.Map(cel.Type.STRING, cel.Type.List(cel.Type.STRING))
    variables[NOW] = cel.Type.TIMESTAMP
    if collection is not None:
        item = cel.Type(f"{CONTAINER}.{COLLECTIONS[collection].message}")
        variables[variable] = item
        variables[CHUNK] = cel.Type.List(item)
    extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_bindings.ExtBindings(), _globs()]
    return cel.NewEnv(pool(), variables=variables, extensions=extensions, container=CONTAINER)


def sections_of(path: Path, *, collection: str | None, variable: str, asked: bool = True) -> frozenset[str]:
    """The sections a path rests on, besides that of the collection itself. Roots that are not ours (`Severity`) rest on none.

    `asked`: only whether it is there is of interest, or that was asked before.
    """
    if path in ALWAYS_KNOWN or not path:
        return frozenset()
    root = path[0]
    if collection is not None and root == variable:
        return _below(COLLECTIONS[collection].message, path[1:], asked=asked)
    if root not in VARIABLES:
        return frozenset()
    return frozenset(VARIABLES[root].sections) | _below(VARIABLES[root].message, path[1:], asked=asked)


def field_of(message: str, name: str) -> Field | None:
    return next((field for field in MESSAGES.get(message, ()) if field.name == name), None)


def _below(message: str, path: Path, *, asked: bool) -> frozenset[str]:
    """The sections of what is read of `message`: of the field that `path` names, or of every field when it is used whole."""
    if path and path[0] in (ELEMENT, LENGTH):
        return frozenset() if path[0] == LENGTH else _below(message, path[1:], asked=asked)
    if not path:
        return _union(_own(field, asked=asked) | _below(field.type, (), asked=asked) for field in MESSAGES.get(message, ()))
    field = field_of(message, path[0])
    if field is None:
        return frozenset()
    # `has()` of a field that is always set tells its value.
    return _own(field, asked=asked and (field.optional or len(path) > 1)) | _below(field.type, path[1:], asked=asked)


def _own(field: Field, *, asked: bool) -> frozenset[str]:
    return frozenset(field.sections if asked else (*field.sections, *field.value_sections))


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _globs() -> Any:
    """`"a/b".glob("a/*")` and `"a/b".globAny(["a/*", "c"])`. Each call leaks about 200 bytes in cel-expr-python 0.1.3, which is
    why the process that evaluates is renewed, and why `path:` exists.
    """
    text, texts = cel.Type.STRING, cel.Type.List(cel.Type.STRING)
    one = cel.Overload("glob_string", cel.Type.BOOL, [text, text], is_member=True, impl=glob_match)
    several = cel.Overload("glob_any_string", cel.Type.BOOL, [text, texts], is_member=True, impl=glob_any)
    return cel.CelExtension("globs", [cel.FunctionDecl("glob", [one]), cel.FunctionDecl("globAny", [several])])


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="inspect/v1.proto", package=CONTAINER, syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    severity = file.enum_type.add(name="Severity")
    for number, name in enumerate(SEVERITIES):
        severity.value.add(name=name, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, start=1):
            _add(message, field, number)
    return file


def _add(message: descriptor_pb2.DescriptorProto, field: Field, number: int) -> None:
    label = _Described.LABEL_REPEATED if field.repeated or field.type == "map" else _Described.LABEL_OPTIONAL
    added = message.field.add(name=field.name, json_name=field.name, number=number, label=label)
    if field.type in _SCALARS:
        added.type = _SCALARS[field.type]
    elif field.type == "Severity":
        added.type, added.type_name = _Described.TYPE_ENUM, f".{CONTAINER}.Severity"
    elif field.type == "timestamp":
        added.type, added.type_name = _Described.TYPE_MESSAGE, ".google.protobuf.Timestamp"
    elif field.type == "map":
        entry = message.nested_type.add(name=field.name.title() + "Entry")
        entry.options.map_entry = True
        for place, part in enumerate(("key", "value"), start=1):
            entry.field.add(name=part, number=place, label=_Described.LABEL_OPTIONAL, type=_Described.TYPE_STRING)
        added.type, added.type_name = _Described.TYPE_MESSAGE, f".{CONTAINER}.{message.name}.{entry.name}"
    else:
        added.type, added.type_name = _Described.TYPE_MESSAGE, f".{CONTAINER}.{field.type}"
    # A message can always be unset; a scalar must say so to tell "unset" from its zero.
    if field.optional and field.type in _SCALARS:
        added.proto3_optional = True
        added.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")
