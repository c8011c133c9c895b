"""Images as OCI layouts on disk, for skopeo to push as a person would, and what is read back of a registry."""

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.doubles.image_files import layout, write_folder
from watcher.model.digest import Digest
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.testing.images import BuiltImage

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)


def write_layout(directory: Path, image: BuiltImage, name: str = "image") -> Path:
    """An OCI layout with one image under `name`."""
    return write_folder(directory, layout({name: image}))


def skopeo_push(layout: Path, destination: str, *, name: str = "image") -> None:
    """`skopeo copy --all`, digests preserved."""
    command = ["skopeo", "copy", "--all", "--dest-tls-verify=false", "--preserve-digests"]
    done = subprocess.run(
        [*command, f"oci:{layout}:{name}", f"docker://{destination}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def get_manifest(url: str, repository: str, reference: str) -> Any:
    """A manifest's JSON, None while there is none."""
    request = Request(f"{url}/v2/{repository}/manifests/{reference}", headers={"Accept": MANIFESTS})
    try:
        with urlopen(request, timeout=10) as response:
            return json.load(response)
    except HTTPError as error:
        if error.code in {404, 500}:  # docker-registry answers 500 while the tag is being rewritten
            return None
        raise


def put_referrer(url: str, repository: str, subject: Digest, artefact: BuiltImage) -> None:
    """Add a pushed artefact to the image's list of referrers, as a client does where a registry has no API for them."""
    tag = subject.replace(":", "-")
    index = get_manifest(url, repository, tag) or {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    said = json.loads(artefact.raw)
    entry = {"mediaType": OCI_MANIFEST, "digest": artefact.digest, "size": len(artefact.raw), "artifactType": said["artifactType"]}
    body = json.dumps({**index, "manifests": [*index["manifests"], entry]}).encode()
    request = Request(f"{url}/v2/{repository}/manifests/{tag}", data=body, method="PUT", headers={"Content-Type": OCI_INDEX})
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 201


def attached_verdict(url: str, repository: str, digest: Digest) -> tuple[Any, Any, Any] | None:
    """The one verdict in the fallback index, its manifest, and what it says; None while there is none."""
    found = _attached(url, repository, digest, "application/vnd.registry-watcher.verdict.v1+json")
    return None if found is None else (found[0], found[1], json.loads(found[2]))


def attached_sbom(url: str, repository: str, digest: Digest) -> bytes | None:
    """The one document of CycloneDX in the fallback index; None while there is none."""
    found = _attached(url, repository, digest, "application/vnd.cyclonedx+json")
    return None if found is None else found[2]


def _attached(url: str, repository: str, digest: Digest, artifact_type: str) -> tuple[Any, Any, bytes] | None:
    """The one entry of a type, its manifest and its layer."""
    index = get_manifest(url, repository, digest.replace(":", "-"))
    if index is None:
        return None
    found = [each for each in index["manifests"] if each["artifactType"] == artifact_type]
    if not found:
        return None
    (entry,) = found
    manifest = get_manifest(url, repository, entry["digest"])
    with urlopen(f"{url}/v2/{repository}/blobs/{manifest['layers'][0]['digest']}", timeout=10) as response:
        return entry, manifest, response.read()
