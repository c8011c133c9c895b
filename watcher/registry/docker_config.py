"""Docker's configuration file: the credentials that `docker login` left in it, or the program that keeps them."""

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from watcher.kit.secret import Secret
from watcher.model.errors import ConfigurationError
from watcher.model.reference import DOCKER_HUB, DOCKER_HUB_ALIASES, Host
from watcher.registry.credentials import Credentials

# A file of a hundred registries is below 64 KiB.
MAX_CONFIG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerConfig:
    """What the file says about one registry. `helper` is the program to ask, where the file has one instead of credentials."""

    credentials: Credentials | None = None
    helper: str | None = None


def default_path() -> Path:
    """Where docker keeps it: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`."""
    folder = os.environ.get("DOCKER_CONFIG")
    return Path(folder) / "config.json" if folder else Path("~/.docker/config.json").expanduser()


def read_docker_config(path: Path, registry: Host) -> DockerConfig:
    """What the file says about one registry; nothing when there is no file.

    Raises:
        ConfigurationError: it cannot be read or is not of docker's form.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CONFIG_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return DockerConfig()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_docker_config(raw, registry, str(path))


def parse_docker_config(raw: bytes, registry: Host, where: str) -> DockerConfig:
    """As `read_docker_config`, from bytes."""
    try:
        document = msgspec.json.decode(raw)
        entries = _by_host(document.get("auths") or {})
        helpers = _by_host(document.get("credHelpers") or {})
        helper, store = _text(helpers.get(registry)), _text(document.get("credsStore"))
        # docker's order, but for one thing: what stands in the file itself is not passed over for a `credsStore`.
        credentials = None if helper else _credentials(entries.get(registry) or {})
    # The cause is left out: its text could quote the file.
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, AttributeError, TypeError, ValueError):
        raise ConfigurationError(f"{where}: not a docker configuration, or its entry for {registry} is malformed") from None
    program = helper or store
    if credentials is None and program:
        return DockerConfig(helper=f"docker-credential-{program}")
    return DockerConfig(credentials=credentials)


def _by_host(entries: dict[str, Any]) -> dict[str, Any]:
    """Docker's keys are hosts or URLs; Docker Hub's is `https://index.docker.io/v1/`. An exact host wins over a URL."""
    found: dict[str, Any] = {}
    for key, value in entries.items():
        host = key.partition("://")[2] or key
        host = host.partition("/")[0].lower()
        name = DOCKER_HUB if host in DOCKER_HUB_ALIASES else host
        if name not in found or key == host:
            found[name] = value
    return found


def _credentials(entry: dict[str, Any]) -> Credentials | None:
    username, password = _text(entry.get("username")), _text(entry.get("password"))
    if encoded := _text(entry.get("auth")):
        try:
            # Go skips line breaks, and nothing else; some tools write them.
            decoded = base64.b64decode(encoded.replace("\n", "").replace("\r", ""), validate=True).decode()
        except binascii.Error as error:
            raise ValueError("auth is not base64") from error
        username, colon, password = decoded.partition(":")
        if not colon:
            raise ValueError("auth has no colon")
        password = password.rstrip("\0")  # docker pads some of them
    identity, finished = _text(entry.get("identitytoken")), _text(entry.get("registrytoken"))
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
