"""The kinds of registries: what they are called in the configuration, and by whoever treats one unlike another."""

from typing import Literal

RegistryKind = Literal["distribution", "harbor", "ecr", "acr", "gar", "quay", "artifactory", "zot", "ghcr", "dockerhub"]
