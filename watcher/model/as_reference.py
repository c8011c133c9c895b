"""References as people type them who know other tools."""

import re

from watcher.model.errors import InvalidReferenceError

# What stands before a colon in containers-transports(5), and what to do instead.
_SAVED = "`{tool} save -o FILE {rest}`, then docker-archive:FILE"
_ELSEWHERE = {
    "docker-daemon": f"images in a docker daemon are not read: {_SAVED.replace('{tool}', 'docker')}",
    "containers-storage": f"images in the storage of podman are not read: {_SAVED.replace('{tool}', 'podman')}",
    "dir": "skopeo's own folders are not read: `skopeo copy dir:{rest} oci:FOLDER`, then oci:FOLDER",
    "sif": "images of singularity are not read",
    "ostree": "images in an ostree are not read",
}
_LOCAL = ("oci", "oci-archive", "docker-archive")
_URL = re.compile(r"https?://(?P<rest>.*)")
_PATH = ("/", "./", "../", "~/")


def as_reference(text: str) -> str:
    """`[HOST/]REPOSITORY[:TAG][@DIGEST]` in what was typed, which may say `docker://` before it.

    Raises:
        InvalidReferenceError: it is the address or the path of something else; the text says what to write.
    """
    if text.startswith("docker://"):
        return text.removeprefix("docker://")
    if (url := _URL.match(text)) is not None:
        name = url["rest"][:200] or "HOST/NAME:TAG"
        raise InvalidReferenceError(f"{text[:200]}: an image is named without http:// or https://, as in {name}")
    kind, colon, rest = text.partition(":")
    if colon and kind in _ELSEWHERE:
        # As `docker save` names it: two slashes belong to no name.
        raise InvalidReferenceError(f"{text[:200]}: {_ELSEWHERE[kind].format(rest=rest.removeprefix('//')[:200])}")
    if (colon and kind in _LOCAL) or is_path(text):
        raise InvalidReferenceError(f"{text[:200]}: lies in files; only images of a registry are known by name: HOST/NAME:TAG")
    return text


def is_path(text: str) -> bool:
    """Whether it cannot be a name, for it begins or ends as only paths do."""
    return text in {".", ".."} or text.startswith(_PATH) or text.endswith("/")
