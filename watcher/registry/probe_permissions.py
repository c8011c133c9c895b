"""What an account needs to be allowed, in the words of each kind of registry. A part of `probe`."""

from collections.abc import Mapping

from watcher.model.registry_kind import RegistryKind

PULL: Mapping[RegistryKind, str] = {
    "distribution": "pull on the repository, where its token service or proxy grants that",
    "harbor": "a robot account with `Pull Repository`; where the project stops vulnerable images, also `scanner-pull`",
    "ecr": "ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and ecr:BatchCheckLayerAvailability on the repository",
    "acr": "the role AcrPull, or a token with content/read",
    "gar": "roles/artifactregistry.reader",
    "quay": "a robot account with Read on the repository",
    "artifactory": "Read on the repository",
    "zot": "`read` in accessControl",
    "ghcr": "a token with read:packages, of somebody who may see the package",
    "dockerhub": "an access token with Read, of somebody who may see the repository",
}
PUSH: Mapping[RegistryKind, str] = {
    "distribution": "push on the repository, where its token service or proxy grants that; and a storage that is not read-only",
    "harbor": "a robot account with `Push Repository`",
    "ecr": "ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload and ecr:PutImage on the repository",
    "acr": "the role AcrPush, or a token with content/write",
    "gar": "roles/artifactregistry.writer",
    "quay": "a robot account with Write on the repository",
    "artifactory": "Deploy/Cache on the repository",
    "zot": "`create` and `update` in accessControl",
    "ghcr": "a token with write:packages, of somebody with the role Write on the package",
    "dockerhub": "an access token with Read & Write",
}
DELETE: Mapping[RegistryKind, str] = {
    "distribution": "REGISTRY_STORAGE_DELETE_ENABLED=true in the registry, and delete where a token service grants that",
    "harbor": "a robot account with `Delete Artifact` and `Delete Tag`",
    "ecr": "ecr:BatchDeleteImage on the repository",
    "acr": "the role AcrDelete, or a token with content/delete",
    "gar": "roles/artifactregistry.repoAdmin",
    "quay": "a robot account with Write on the repository",
    "artifactory": "Delete/Overwrite on the repository",
    "zot": "`delete` in accessControl",
    "ghcr": "nothing: GitHub deletes by an API of its own only",
    "dockerhub": "nothing: Docker Hub deletes by an API of its own only",
}
LIST: Mapping[RegistryKind, str] = {
    "distribution": "registry:catalog:*, where its token service grants that",
    "harbor": "a robot account of the system with `List Project` and `List Repository`",
    "ecr": "ecr:DescribeRepositories and ecr:ListImages",
    "acr": "the role AcrPull, or a token with metadata/read",
    "gar": "roles/artifactregistry.reader",
}
LOG_IN: Mapping[RegistryKind, str] = {
    "ecr": "ecr:GetAuthorizationToken for the identity of this machine",
    "harbor": "the whole name of a robot account (`robot$…`), and its secret; it may have expired",
    "dockerhub": "a user name, and an access token instead of the password",
    "ghcr": "a user name, and a classic token with read:packages",
    "quay": "a robot account (`name+robot`) and its token",
}


def needed(permissions: Mapping[RegistryKind, str], kind: RegistryKind) -> str:
    """As a sentence to follow; empty where nothing is known."""
    words = permissions.get(kind, "")
    return f"it takes {words}" if words and not words.startswith("nothing") else words.removeprefix("nothing: ")
