"""Whose an image is, for those who send news of it to the right place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from watcher.kit.glob import glob_any
from watcher.model.verdict import Subject
from watcher.store.protocol import Judged

# A name of a team; what is longer names nobody.
MAX_OWNER = 100


class OwnedImages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`images` are globs over `HOST/REPOSITORY`."""

    name: str  # what publishers call it
    images: tuple[str, ...]  # globs over `HOST/REPOSITORY`


class OwnerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told about an image, as `owners` of a publisher name them. What is written here is believed before any label."""

    map: tuple[OwnedImages, ...] = ()  # the first that matches
    label: str = ""  # of an image that none matches: the label that names its owner, such as `com.example.team`


def owned(judged: Sequence[Judged], settings: OwnerSettings) -> Sequence[Judged]:
    """The verdicts with their owners. An index is its images' where all of them name one and the same."""
    named = [_owner(each.verdict.subject, settings, _labels(each)) for each in judged]
    if judged[-1].inventory is None and not named[-1]:
        # One that could not be read says nothing, so it contradicts nobody.
        images = {owner for owner, each in zip(named[:-1], judged[:-1], strict=True) if each.inventory is not None}
        named[-1] = images.pop() if len(images) == 1 else ""
    return [
        replace(each, verdict=replace(each.verdict, owner=owner)) if owner else each
        for each, owner in zip(judged, named, strict=True)
    ]


def _owner(subject: Subject, settings: OwnerSettings, labels: Mapping[str, str]) -> str:
    name = f"{subject.registry}/{subject.repository}"
    mapped = next((each.name for each in settings.map if glob_any(name, each.images)), "")
    claimed = labels.get(settings.label, "") if settings.label else ""
    return mapped or (claimed if len(claimed) <= MAX_OWNER and claimed.isprintable() else "")


def _labels(judged: Judged) -> Mapping[str, str]:
    return judged.inventory.config.labels if judged.inventory is not None and judged.inventory.config is not None else {}
