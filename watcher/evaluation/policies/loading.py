"""Where policies come from: packs shipped with this program, and the operator's own files."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from watcher.evaluation.policies.reading import Documents, PolicySource, list_files_of, read_documents
from watcher.evaluation.settings import OnNoMatch, PolicySettings
from watcher.kit.suggestions import one_of
from watcher.kit.yaml_source import parse_yaml
from watcher.model.errors import ConfigurationError, PolicyError
from watcher.model.verdict import PolicyName

_SUFFIXES = (".yaml", ".yml")
# The pack's own cases are beside it; they are its tests, not policy.
_TEST_SUFFIX = "_test"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """One file as it was read: what another process needs to read it again. `lists` are the entries of its list files."""

    file: str
    text: str
    lists: dict[str, tuple[str, ...]]
    is_pack: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySources:
    """One revision of all policies, read and checked but for their expressions. `overrides` replace lists of packs."""

    texts: tuple[PolicyText, ...]
    documents: Documents
    overrides: dict[str, tuple[str, ...]]
    on_no_match: OnNoMatch
    revision: str

    @property
    def policies(self) -> tuple[PolicyName, ...]:
        """Every policy, in order of name."""
        metadata = sorted((source.document.metadata for source in self.documents.policies), key=lambda each: each.name)
        return tuple(PolicyName(name=each.name, version=each.version) for each in metadata)


def load_policies(
    packs: Sequence[str] = ("baseline",),
    paths: Sequence[Path] = (),
    lists: Mapping[str, Sequence[str]] | None = None,
    on_no_match: OnNoMatch = "fail",
) -> PolicySources:
    """Read packs by name, and files or folders.

    A folder is read with everything below it. PolicyTest documents are read too; they are not part of the revision.

    Raises:
        PolicyError: a pack, path or list that is not there, or documents that are wrong; one `file:line:column: what` a line.
    """
    complaints: list[str] = []
    texts: list[PolicyText] = []
    for pack in dict.fromkeys(packs):
        try:
            texts.extend(_pack_texts(pack))
        except PolicyError as error:
            complaints.append(str(error))
    for path in paths:
        try:
            texts.extend(_path_texts(path))
        except PolicyError as error:
            complaints.append(str(error))
    overrides = {name: tuple(entries) for name, entries in (lists or {}).items()}
    return from_texts(texts, overrides, on_no_match, complaints)


def load_settings(settings: PolicySettings, *, beside: Path | None = None) -> PolicySources:
    """Read what the configuration names; a relative `path` is beside the configuration file. Raises as `load_policies` does."""
    paths = [(beside or Path()) / settings.path] if settings.path is not None else []
    for path in paths:
        # On the command line a pipe may be meant; what is configured is read more than once.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise PolicyError(f"{path}: is neither a regular file nor a folder")
    return load_policies(settings.packs, paths, settings.lists, settings.on_no_match)


def from_texts(
    texts: Sequence[PolicyText],
    overrides: Mapping[str, tuple[str, ...]],
    on_no_match: OnNoMatch,
    complaints: Sequence[str] = (),
) -> PolicySources:
    """Read texts that were loaded before, here or in another process. `complaints` are told with those found here."""
    found = list(complaints)
    documents = Documents()
    pack_lists: set[str] = set()
    for text in texts:
        try:
            read = read_documents(text.text, text.file, text.lists)
        except PolicyError as error:
            found.append(str(error))
            continue
        if text.is_pack:
            pack_lists.update(name for source in read.policies for name in source.lists)
            read = replace(read, policies=tuple(_overridden(source, overrides) for source in read.policies))
        documents += read
    if not found:
        strangers = sorted(overrides.keys() - pack_lists)
        found.extend(f"policies.lists: no pack has a list {name!r}; {one_of(name, pack_lists)}" for name in strangers)
    if found:
        raise PolicyError("\n".join(found))
    return PolicySources(
        texts=tuple(texts),
        documents=documents,
        overrides=dict(overrides),
        on_no_match=on_no_match,
        revision=_revision(documents, on_no_match),
    )


def pack_names() -> Sequence[str]:
    """The packs there are."""
    names = [Path(entry.name).stem for entry in resources.files("watcher.packs").iterdir() if entry.name.endswith(_SUFFIXES)]
    return sorted(name for name in names if not name.endswith(_TEST_SUFFIX))


def _overridden(source: PolicySource, overrides: Mapping[str, tuple[str, ...]]) -> PolicySource:
    return replace(source, lists={name: overrides.get(name, entries) for name, entries in source.lists.items()})


def _pack_texts(name: str) -> list[PolicyText]:
    if name not in pack_names():
        raise PolicyError(f"policies.packs: no pack {name!r}; {one_of(name, pack_names())}")
    folder = resources.files("watcher.packs")
    texts = []
    for stem in (name, name + _TEST_SUFFIX):
        entry = folder / f"{stem}.yaml"
        if entry.is_file():
            texts.append(PolicyText(file=f"pack:{stem}.yaml", text=entry.read_text(encoding="utf-8"), lists={}, is_pack=True))
    return texts


def _path_texts(path: Path) -> list[PolicyText]:
    """Raises PolicyError also for a path that holds no document: whoever named it believes that something of it is in force."""
    try:
        files = _files_below(path) if stat.S_ISDIR(path.stat().st_mode) else [path]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PolicyError(f"{path}: no such file or folder") from error
    except OSError as error:
        raise PolicyError(f"{error.filename or path}: cannot be read: {error.strerror}") from error
    texts = [_file_text(file) for file in files]
    if not any(_holds_a_document(text) for text in texts):
        raise PolicyError(f"{path}: no document in it; expected policies in {' or '.join(f'*{suffix}' for suffix in _SUFFIXES)}")
    return texts


def _files_below(folder: Path) -> list[Path]:
    """In order of their names. What is hidden is left out: Kubernetes keeps the content of a mounted ConfigMap twice."""

    def fail(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = (Path(place, name) for name in names if name.endswith(_SUFFIXES) and not name.startswith("."))
        found.extend(file for file in files if file.is_file())
    return sorted(found)


def _holds_a_document(text: PolicyText) -> bool:
    try:
        return any(source.value is not None for source in parse_yaml(text.text, text.file))
    except ConfigurationError:
        return True  # what is wrong with it is told with its place, where it is read


def _file_text(file: Path) -> PolicyText:
    text = _read(file)
    lists: dict[str, tuple[str, ...]] = {}
    for name in list_files_of(text, str(file)):
        beside = file.parent / name
        # What is not there is told with its place, where the policy names it.
        if beside.is_file():
            lists[name] = _entries(_read(beside))
    return PolicyText(file=str(file), text=text, lists=lists)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{file}: cannot be read: {error!s:.200}") from error


def _entries(text: str) -> tuple[str, ...]:
    lines = (line.partition(" #")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _revision(documents: Documents, on_no_match: OnNoMatch) -> str:
    """`sha256:` over the canonical JSON of everything that can change a verdict; comments, order and file names cannot."""
    policies = sorted(documents.policies, key=lambda source: source.document.metadata.name)
    body: dict[str, Any] = {
        "policies": [{"document": source.places.source.value, "lists": source.lists} for source in policies],
        "on_no_match": on_no_match,
    }
    return "sha256:" + sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
