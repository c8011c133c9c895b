"""Images in files, as `oci:`, `oci-archive:` and `docker-archive:` name them."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from watcher.registry.layouts import REF_NAME
from watcher.testing.images import BuiltImage


def layout(images: Mapping[str, BuiltImage]) -> dict[str, bytes]:
    """The files of an OCI layout."""
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    entries = []

    def add(image: BuiltImage) -> None:
        for child in image.children:
            add(child)
        for digest, content in {**image.blobs, image.digest: image.raw}.items():
            files["blobs/" + digest.replace(":", "/")] = content

    for name, image in images.items():
        add(image)
        entry = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw)}
        entries.append({**entry, "annotations": {REF_NAME: name}} if name else entry)
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return files


def docker_save(image: BuiltImage, name: str) -> dict[str, bytes]:
    """The files of a `docker save` archive; the layers of `image` are not compressed, as those of such archives are not."""
    config, *layers = image.blobs.values()
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    listing = [{"Config": "config.json", "RepoTags": [name], "Layers": names}]
    return {"manifest.json": json.dumps(listing).encode(), "config.json": config, **dict(zip(names, layers, strict=True))}


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_tar(path: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path
