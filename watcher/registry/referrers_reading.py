"""What a list of referrers lists: as everybody reads it, and as anybody could. Pure. A part of `referrers.py`.

Spec: OCI distribution-spec v1.1 "Listing Referrers", "Referrers Tag Schema".
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from watcher.model.digest import is_digest
from watcher.model.errors import InvalidManifestError
from watcher.model.image import OCI_INDEX, OCI_MANIFEST, Descriptor, Index
from watcher.model.image_json import parse_manifest
from watcher.model.one_reading import MANIFEST, folded, read_value


def plain_entries(body: bytes, content_type: str) -> list[Mapping[str, Any]] | None:
    """The descriptors of an OCI index as they stand in its JSON; None when it is none, or one that programs read differently."""
    try:
        index = read_value(body, "index of referrers", MANIFEST)
    except InvalidManifestError:
        return None
    if not isinstance(index, dict) or index.get("mediaType", content_type.partition(";")[0].strip()) != OCI_INDEX:
        return None
    manifests = index.get("manifests") or []
    if not isinstance(manifests, list) or not all(isinstance(entry, dict) for entry in manifests):
        return None
    return manifests


def any_entries(body: bytes) -> list[Mapping[str, Any]] | None:
    """A descriptor of every digest that some program could find listed, with its type where there can be only one.

    Programs in Go take `Manifests` too, and the last of two keys or both; they pass over what they have no field for and put U+FFFD
    for what is no text, and some read the first value only. None of what nests too deep: Go reads ten times as deep as Python.
    """
    try:
        value, _ = _LENIENT.raw_decode(body.decode("utf-8", "replace").lstrip(" \t\r\n"))
    except RecursionError:
        return None
    except ValueError:
        return []
    lists = [each for each in _values(value, "manifests") if isinstance(each, list)]
    found = dict[str, Mapping[str, Any]]()
    for entry in (entry for each in lists for entry in each):
        digests, types = _values(entry, "digest"), _values(entry, "artifacttype")
        is_plain = len(lists) == len(digests) == len(types) == 1 and isinstance(types[0], str) and types[0].isascii()
        for digest in digests:
            if isinstance(digest, str) and is_digest(digest):
                said = {"artifactType": types[0]} if is_plain else {}
                new = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 0}
                found[digest] = new if found.get(digest, new | said) != new | said else new | said
    return list(found.values())


def descriptor_of(entry: Mapping[str, Any]) -> Descriptor | None:
    """None of an entry that is none. Whoever may push could otherwise keep everybody from reading the rest of the list."""
    try:
        index = parse_manifest(msgspec.json.encode({"mediaType": OCI_INDEX, "manifests": [entry]}), OCI_INDEX)
    except InvalidManifestError:
        return None
    return index.manifests[0] if isinstance(index, Index) else None


def _values(value: Any, name: str) -> list[Any]:
    """Of every key of an object that some program takes for the name, which is in lower case."""
    return [child for key, child in value if folded(key) == name] if isinstance(value, tuple) else []


# Objects are tuples of their keys and values, and numbers are texts of any length.
_LENIENT = json.JSONDecoder(object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str, strict=False)
