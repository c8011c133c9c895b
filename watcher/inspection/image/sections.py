"""What an inspection can say of each section, and why no more. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from watcher.inspection.image.layer_formats import other_format, unread_format
from watcher.inspection.problems import ALL
from watcher.model.digest import short
from watcher.model.image import Descriptor
from watcher.model.inventory import Problem
from watcher.model.verdict import INSPECTED, MAX_SKIPPED, Section, SectionState

COMPLETE = Section()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Something that was not looked at. `what` names it, `reason` is a sentence."""

    sections: tuple[str, ...]
    what: str
    reason: str


def layer_shortfalls(index: int, layer: Descriptor, problems: Iterable[Problem]) -> list[Shortfall]:
    """What the problems of one layer mean for the image."""
    name = f"layer {index} ({short(layer.digest)})"
    return [
        Shortfall(sections=problem.sections, what=f"{name}: {problem.reason}", reason=f"{name}: {problem.detail}")
        for problem in problems
        if problem.sections
    ]


def doubtful_layer(index: int, layer: Descriptor, *, was_read: bool) -> Shortfall | None:
    """Why what a runtime makes of a layer need not be what was read of it; None when nothing speaks against that."""
    name = f"layer {index} ({short(layer.digest)})"
    if other := unread_format(layer) or other_format(layer):
        return Shortfall(sections=ALL, what=f"{name}: {layer.media_type[:100]}", reason=f"{name} is {other}")
    if not layer.is_rootfs_layer:
        reason = f"{name} has the media type {layer.media_type[:100]!r}, which is not every runtime's for a layer"
        return Shortfall(sections=ALL, what=f"{name}: {layer.media_type[:100]}", reason=reason)
    if not was_read:
        reason = f"{name} is non-distributable, and the registry does not hold it"
        return Shortfall(sections=ALL, what=f"{name}: non-distributable", reason=reason)
    return None


def sections_of(shortfalls: Sequence[Shortfall], *, inspected: bool, base: Section, sbom: Section = COMPLETE) -> dict[str, Section]:
    """The state of each of INSPECTED. `inspected` is false when no layer could be read although there are some."""
    sections: dict[str, Section] = {"config": COMPLETE}
    for name in ALL:
        concerned = [shortfall for shortfall in shortfalls if name in shortfall.sections]
        if not concerned:
            sections[name] = COMPLETE
            continue
        reason = concerned[0].reason + (f" (and {len(concerned) - 1} more)" if len(concerned) > 1 else "")
        sections[name] = Section(
            state=SectionState.PARTIAL if inspected else SectionState.MISSING,
            reason=reason,
            skipped=tuple(shortfall.what for shortfall in concerned[:MAX_SKIPPED]),
        )
    sections |= {"base": base, "sbom": sbom}
    return {name: sections[name] for name in INSPECTED}
