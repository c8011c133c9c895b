"""The files in which `docker login` and `podman login` leave credentials, or name the program that keeps them.

Read as Go's encoding/json and the programs written in it read them: names of fields without case, the last of two equal keys, what
follows the first value passed over, and of base64 the line breaks.

Spec: containers-auth.json(5); docker's "Configuration files".
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watcher.kit.regular_files import read_regular
from watcher.kit.secret import Secret
from watcher.model.errors import ConfigurationError
from watcher.model.one_reading import folded
from watcher.model.reference import DOCKER_HUB, DOCKER_HUB_ALIASES, Host
from watcher.registry.credentials import Credentials

# A file of a hundred registries is below 64 KiB.
MAX_CONFIG_BYTES = 1024 * 1024
# Paths of a registry's API that older tools wrote behind its host; any other is the beginning of a repository's name.
_API_PATHS = frozenset({"", "v1", "v2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerConfig:
    """What the file says about one registry. `helper` is the program to ask, where the file has one instead of credentials.

    `narrower` are those that the file has for some repositories of it, by the beginning of their names. An entry that cannot be
    read is there too, as one that is malformed.
    """

    credentials: Credentials | None = None
    helper: str | None = None
    narrower: Mapping[str, Credentials] = field(default_factory=dict)


def default_paths() -> Sequence[Path]:
    """Where they are, in the order in which they are asked.

    `$REGISTRY_AUTH_FILE` where it is set; docker's, `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; then podman's,
    `$XDG_RUNTIME_DIR/containers/auth.json` and `~/.config/containers/auth.json`.
    """
    said, home = os.environ.get, Path("~").expanduser()
    written = [Path(path)] if (path := said("REGISTRY_AUTH_FILE")) else []
    docker = Path(said("DOCKER_CONFIG") or home / ".docker") / "config.json"
    folders = [Path(folder) for folder in (said("XDG_RUNTIME_DIR"), said("XDG_CONFIG_HOME") or str(home / ".config")) if folder]
    return [*written, docker, *(folder / "containers" / "auth.json" for folder in folders)]


def read_docker_config(path: Path, registry: Host) -> DockerConfig:
    """What the file says about one registry; nothing when there is no file.

    Raises:
        ConfigurationError: it cannot be read or is not of docker's form as a whole.
    """
    try:
        raw = read_regular(path)[:MAX_CONFIG_BYTES]
    except (FileNotFoundError, NotADirectoryError):
        return DockerConfig()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_docker_config(raw, registry, str(path))


def parse_docker_config(raw: bytes, registry: Host, where: str) -> DockerConfig:
    """As `read_docker_config`, from bytes. Entries of other registries do not matter."""
    try:
        text = raw.decode("utf-8", "replace").lstrip(" \t\r\n")
        document, _ = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=str).raw_decode(text)
        helpers = {_place(key)[0]: value for key, value in _map(document, "credHelpers").items()}
        helper, store = _text(helpers.get(registry)), _last(document, "credsStore")
        entries = {} if helper else _entries(_map(document, "auths"), registry, where)
    # The cause is left out: its text could quote the file.
    except (RecursionError, TypeError, ValueError):
        raise ConfigurationError(f"{where}: not a docker configuration, or its helper for {registry} is malformed") from None
    # docker's order, but for one thing: what stands in the file itself is not passed over for a `credsStore`.
    credentials, program = entries.pop("", None), helper or store
    named = f"docker-credential-{program}" if credentials is None and program else None
    return DockerConfig(credentials=credentials, helper=named, narrower=entries)


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written, with every key that it has twice."""


def _map(document: object, name: str) -> Mapping[str, Any]:
    """An object whose keys are data. Go adds what a second one of the name has."""
    found: dict[str, Any] = {}
    for key, value in _pairs(document):
        if folded(key) == folded(name):
            found.update(_pairs(value) if value is not None else ())
    return found


def _last(entry: object, name: str) -> str:
    """The text of a field; null changes nothing."""
    values = [_text(value) for key, value in _pairs(entry) if folded(key) == folded(name) and value is not None]
    return values[-1] if values else ""


def _pairs(value: object) -> _Pairs:
    if not isinstance(value, _Pairs):
        raise TypeError("expected an object")
    return value


def _place(key: str) -> tuple[str, str]:
    """Host and beginning of a repository's name, which is empty for all of a registry.

    Keys are hosts, with a repository or the beginning of one as podman writes them, or URLs, whose path never says a repository.
    Docker Hub's is `https://index.docker.io/v1/`.
    """
    scheme, is_url, rest = key.partition("://")
    host, _, path = (rest if is_url and scheme.lower() in {"http", "https"} else key).partition("/")
    host, path = host.lower(), path.strip("/")
    return DOCKER_HUB if host in DOCKER_HUB_ALIASES else host, "" if is_url or path in _API_PATHS else path


def _entries(auths: Mapping[str, Any], registry: Host, where: str) -> dict[str, Credentials]:
    """The credentials for a registry, by the beginning of a repository's name. An exact host wins over a URL."""
    found: dict[str, Credentials] = {}
    for key in sorted(auths, key=lambda key: "://" in key or key.endswith("/")):
        host, prefix = _place(key)
        if host == registry and prefix not in found and auths[key] is not None:
            try:
                credentials = _credentials(_pairs(auths[key]))
            # The cause is left out, as above.
            except (TypeError, ValueError):
                place = f"{registry}/{prefix}".rstrip("/")
                credentials = Credentials(malformed=f"{where}: its entry for {place} is malformed")
            found |= {} if credentials is None else {prefix: credentials}
    return found


def _credentials(entry: _Pairs) -> Credentials | None:
    username, password = _last(entry, "username"), _last(entry, "password")
    if encoded := _last(entry, "auth"):
        try:
            decoded = base64.b64decode(encoded.replace("\n", "").replace("\r", ""), validate=True)
        except binascii.Error as error:
            raise ValueError("auth is not base64") from error
        name, colon, secret = decoded.partition(b":")
        if not colon:
            raise ValueError("auth has no colon")
        # A password may be any bytes, and docker pads some of them.
        username, password = name.decode(), secret.strip(b"\0").decode("utf-8", "surrogateescape")
    identity, finished = _last(entry, "identitytoken"), _last(entry, "registrytoken")
    if not (identity or finished or (username and password)):
        return None
    return Credentials(
        username=username,
        password=Secret(password) if password else None,
        identity_token=Secret(identity) if identity else None,
        registry_token=Secret(finished) if finished else None,
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value
