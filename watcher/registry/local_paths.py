"""What lies at a path that somebody typed for an image."""

from pathlib import Path

from watcher.model.as_reference import is_path
from watcher.model.errors import ConfigurationError, PermanentError
from watcher.registry.archives import Archive
from watcher.registry.layouts import LocalImage, LocalKind

_FORMS = "oci:FOLDER, oci-archive:FILE or docker-archive:FILE"


def local_at(text: str) -> LocalImage | None:
    """None for what can be the name of an image, and for `app.tar` where no such file is. Blocking: it looks into a file.

    Raises:
        ConfigurationError: nothing is there, or something else.
    """
    typed, _, name = text.partition(":")
    path = Path(typed).expanduser()
    if not is_path(typed) and not (typed.endswith(".tar") and path.is_file()):
        return None
    if not path.exists():
        raise ConfigurationError(f"{text}: there is nothing at this path; an image of a registry is HOST/NAME:TAG")
    return LocalImage(kind=_kind(text, path), path=path, name=name or None)


def _kind(text: str, path: Path) -> LocalKind:
    if path.is_dir():
        if (path / "index.json").is_file():
            return "oci"
        raise ConfigurationError(f"{text}: this folder has no index.json, so it is no OCI layout; an image in files is {_FORMS}")
    try:
        archive = Archive(path, text)
        # `docker save` writes both since version 25: digests are those of the registry only as the layout has them.
        for member, kind in (("index.json", "oci-archive"), ("manifest.json", "docker-archive")):
            if (found := archive.open(member)) is not None:
                found.close()
                return kind  # type: ignore[return-value]  # both are LocalKinds
    except PermanentError as error:
        raise ConfigurationError(f"{error}; an image in files is {_FORMS}") from error
    raise ConfigurationError(f"{text}: neither an OCI archive nor one of `docker save`; an image in files is {_FORMS}")
