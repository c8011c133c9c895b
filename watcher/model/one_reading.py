"""A manifest, index or configuration that every reader reads alike, or none.

Runtimes are written in Go, whose encoding/json takes the last of two equal keys, takes `Layers` for `layers`, and fills a half
read struct again. Registries, scanners and runtimes have been shown different images with one document that way (golang/go#14750,
CVE-2021-41190). What has two readings is refused by name, whichever of them we would take.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from watcher.model.errors import AmbiguousManifestError, NotAManifestError
from watcher.model.json_fields import Fields
from watcher.model.strict_json import InvalidJsonError, JsonBodyError, read_json, shown

Struct: TypeAlias = "Mapping[str, Struct | None]"
"""The fields that Go's types have, by name. None for a field whose keys are its author's (annotations, labels) or that has none."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


_DISAGREE = "programs disagree about what that means"


def _fields(names: str, **structs: Struct) -> Struct:
    return {**dict.fromkeys(names.split()), **structs}


# OCI image-spec v1.1 specs-go, and what containers/image and distribution add for Docker's formats.
_PLATFORM = _fields("architecture os os.version os.features variant features")
_DESCRIPTOR = _fields("mediaType digest size urls annotations data artifactType", platform=_PLATFORM)
MANIFEST: Struct = _fields(
    "schemaVersion mediaType artifactType annotations fsLayers",
    config=_DESCRIPTOR,
    layers=_DESCRIPTOR,
    manifests=_DESCRIPTOR,
    subject=_DESCRIPTOR,
)
_RUN = _fields(
    "User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal ArgsEscaped OnBuild Shell",
    Healthcheck=_fields("Test Interval Timeout StartPeriod StartInterval Retries"),
)
CONFIG: Struct = _fields(
    "created author architecture variant os os.version os.features",
    config=_RUN,
    rootfs=_fields("type diff_ids"),
    history=_fields("created created_by author comment empty_layer"),
)
# manifest.json of `docker save`.
LISTING: Struct = _fields("Config RepoTags Layers Parent LayerSources")


def read_object(raw: bytes, what: str, struct: Struct) -> Fields:
    """The one reading of a document, which is called `what`.

    Raises:
        NotAManifestError: no JSON object. AmbiguousManifestError: readers disagree about it.
    """
    value = read_value(raw, what, struct)
    if not isinstance(value, dict):
        raise NotAManifestError(f"{what} is not a JSON object")
    return Fields(place=what, values=value)


def read_value(raw: bytes, what: str, struct: Struct) -> Any:
    """The same for a document that may be something else than an object, such as a list of them."""
    try:
        value = read_json(raw)
        msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise AmbiguousManifestError(f"{what} has a text with half of a surrogate pair; {_DISAGREE}") from error
    except InvalidJsonError as error:
        if _go_reads(raw):
            raise AmbiguousManifestError(f"{what}: {error}; {_DISAGREE}") from error
        raise NotAManifestError(f"{what} {'is' if str(error).startswith('not ') else 'has'} {error}") from error
    except JsonBodyError as error:
        raise AmbiguousManifestError(f"{what}: {error}; {_DISAGREE}") from error
    for ambiguity in _ambiguities(value, struct, what):
        raise AmbiguousManifestError(ambiguity)
    return value


def _go_reads(raw: bytes) -> bool:
    """Whether it is JSON to Go, which puts U+FFFD in the place of what is no UTF-8 and skips a number of any length."""
    try:
        json.loads(raw.decode("utf-8", "replace"), parse_int=str.strip)
    except (ValueError, RecursionError):
        return False
    return True


def folded(name: str) -> str:
    """What Go compares where a key is not the name of a field: letters without case, with U+017F for s and U+212A for k."""
    return name.casefold()


def _ambiguities(value: Any, struct: Struct, what: str) -> Iterator[str]:
    """`read_json` has limited the depth."""
    todo: list[tuple[Any, Struct | None, str]] = [(value, struct, what)]
    while todo:
        item, known, place = todo.pop()
        if isinstance(item, list):
            todo.extend((child, known, f"{place}[{index}]") for index, child in enumerate(item))
        elif isinstance(item, dict):
            taken_for = {folded(name): name for name in known or ()}
            for name, child in item.items():
                field = taken_for.get(folded(name))
                if field is not None and field != name:
                    yield f"{place} has the key {shown(name)}, which some programs take for {field!r} and others do not"
                todo.append((child, known.get(name) if known else None, f"{place}.{shown(name)[1:-1]}"))
        elif isinstance(item, (int, float)) and not INT64_MIN <= item <= INT64_MAX:
            yield f"{place} is a number beyond 64 bits"
