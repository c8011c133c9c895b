"""What was found of an image, put together as its inventory. Pure, and slow for an image of many files."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain

from watcher.inspection.catalogers.distro import distro_of
from watcher.inspection.catalogers.passwd import parse_passwd
from watcher.inspection.hiding import Hiding, hidden_image
from watcher.inspection.image.attached_sboms import FoundSboms, compared
from watcher.inspection.image.certificates import certificates_of, keys_of
from watcher.inspection.image.config_secrets import ConfigSecrets
from watcher.inspection.image.installed import MAX_DECLARED, declared_of, packages_of, programs_of
from watcher.inspection.image.merge import MergedImage, merge
from watcher.inspection.image.recognition import recognised
from watcher.inspection.image.running_as import GROUPS_PATH, USERS_PATH, needs_files, started_as
from watcher.inspection.image.sections import Shortfall, doubtful_layer, layer_shortfalls, sections_of
from watcher.inspection.image.steps import layer_steps
from watcher.inspection.problems import ALL, DECLARED, FILES, MERGED, OVER_BUDGET, PACKAGES, SECRETS, USERS_AND_DISTRO
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.digest import Digest
from watcher.model.image import Descriptor, ImageConfig, Manifest
from watcher.model.inventory import Base, FileTable, Inventory, LayerFacts, LayerSummary
from watcher.model.masking import MASKED, masked_config, masking_of
from watcher.model.verdict import Section, SectionState

WINDOWS = Shortfall(
    sections=("users",), what="windows", reason="a Windows image keeps its accounts in its registry, which is not read"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLayer:
    """`cached` when nothing had to be read for it."""

    facts: LayerFacts
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that was fetched and read. `layers` has one for each of the manifest's, None for one that is not read. `found` are
    the secrets of the configuration and the manifest.

    `overdrawn` is a sentence when the image as a whole is more than we are ready to read.
    """

    digest: Digest
    manifest: Manifest
    config: ImageConfig
    layers: Sequence[KnownLayer | None]
    found: ConfigSecrets
    base: Base
    base_section: Section
    sboms: FoundSboms = field(default_factory=FoundSboms)
    overdrawn: str = ""


def assembled(parts: Parts, rules: SecretRules, *, max_files: int) -> Inventory:
    """The image that the parts make, with no value of a secret in it; `rules` recognise those that only some layer has."""
    manifest, config, found = parts.manifest, parts.config, _with_known(parts, rules)
    facts = [_facts(layer.digest, known) for layer, known in zip(manifest.layers, parts.layers, strict=True)]
    merged = merge(facts)
    distro = distro_of(merged.texts)
    masking = masking_of(config, found.secrets, found.values)
    shown = masked_config(config, masking)
    shortfalls = [
        *_layer_shortfalls(parts),
        *_merged_shortfalls(merged),
        *_file_shortfalls(facts, max_files),
    ]
    if found.refusal:
        shortfalls.append(Shortfall(sections=SECRETS, what="configuration", reason=found.refusal))
    if config.is_windows:
        shortfalls.append(WINDOWS)
    readable = any(known is not None and not _is_fatal(known.facts) for known in parts.layers)
    base_layers = parts.base.known_layers
    packages = packages_of(merged, distro, base_layers)
    sbom, sbom_section = compared(parts.sboms, packages, rules)
    inspected = readable or not manifest.layers
    sections = sections_of(shortfalls, inspected=inspected, base=parts.base_section, sbom=sbom_section)
    steps = layer_steps(shown, len(manifest.layers))
    inventory = Inventory(
        digest=parts.digest,
        media_type=manifest.media_type,
        platform=config.platform,
        config_digest=manifest.config.digest,
        config=shown,
        annotations=masking.labelled(manifest.annotations),
        compressed_bytes=manifest.config.size + sum(layer.size for layer in manifest.layers),
        layers=tuple(map(_summary, manifest.layers, parts.layers, steps)),
        effective_uid=_effective_uid(config, merged, sections["users"]),
        distro=distro,
        base=parts.base,
        packages=packages,
        files=merged.files,
        users=parse_passwd(merged.texts.get(USERS_PATH, b"")),
        secrets=(*found.secrets, *merged.secrets),
        sections=sections,
        facts_revision=_revision(facts, manifest.config.digest, parts.sboms),
        programs=programs_of(merged, base_layers),
        certificates=certificates_of(merged.certificates, base_layers),
        keys=keys_of(merged.certificates, base_layers),
        declared=declared_of(merged, distro, base_layers),
        sbom=sbom,
    )
    return hidden_image(inventory, Hiding(texts=dict.fromkeys(found.hidden, MASKED), uncertain=found.uncertain))


def _effective_uid(config: ImageConfig, merged: MergedImage, users: Section) -> int | None:
    """None where it cannot be told: never a uid that another file, which was not read, could change."""
    if config.is_windows or (needs_files(config.user) and users.state is not SectionState.COMPLETE):
        return None
    return started_as(config.user, merged.texts.get(USERS_PATH), merged.texts.get(GROUPS_PATH))


def _facts(digest: Digest, known: KnownLayer | None) -> LayerFacts:
    """A layer that was not read has nothing in it as far as we can say."""
    if known is not None:
        return known.facts
    return LayerFacts(digest=digest, compressed_bytes=0, plain_bytes=0, files=FileTable())


def _summary(layer: Descriptor, known: KnownLayer | None, step: str) -> LayerSummary:
    return LayerSummary(
        digest=layer.digest,
        media_type=layer.media_type,
        compressed_bytes=layer.size,
        plain_bytes=known.facts.plain_bytes if known is not None else 0,
        files=len(known.facts.files) if known is not None else 0,
        created_by=step,
        state="skipped" if known is None else "failed" if _is_fatal(known.facts) else "inspected",
        cached=known is not None and known.cached,
    )


def _is_fatal(facts: LayerFacts) -> bool:
    return any(problem.fatal for problem in facts.problems)


def _with_known(parts: Parts, rules: SecretRules) -> ConfigSecrets:
    """What was found, and the values that a file of some layer has as well, without anything beside them that would tell."""
    kept = [known.facts for known in parts.layers if known is not None]
    hits = [hit for facts in kept for hit in facts.secrets if hit.confidence != "low"]
    config = parts.config
    texts = (config.user, config.working_dir, *config.env, *config.entrypoint, *config.cmd, *config.healthcheck)
    steps = (text for step in config.history for text in (step.created_by, step.comment))
    named = chain(texts, config.labels.values(), steps, parts.manifest.annotations.values())
    values = recognised(named, chain.from_iterable(facts.files.path for facts in kept), hits, rules)
    found = parts.found
    return replace(found, values=found.values | values, uncertain=found.uncertain | (values - found.values))


def _layer_shortfalls(parts: Parts) -> list[Shortfall]:
    """Layers that may be something else first, then what could not be read, then what would have been too much."""
    pairs = list(enumerate(zip(parts.manifest.layers, parts.layers, strict=True)))
    doubts = (doubtful_layer(index, layer, was_read=known is not None) for index, (layer, known) in pairs)
    found = [doubt for doubt in doubts if doubt is not None]
    for index, (layer, known) in pairs:
        if known is not None:
            found += layer_shortfalls(index, layer, known.facts.problems)
    if parts.overdrawn:
        found.append(Shortfall(sections=ALL, what=OVER_BUDGET, reason=parts.overdrawn))
    return found


def _merged_shortfalls(merged: MergedImage) -> list[Shortfall]:
    """What only shows once the layers are together."""
    found = [
        Shortfall(sections=USERS_AND_DISTRO, what=path, reason=f"/{path} leads to a file whose content was not kept")
        for path in merged.unread_texts
    ]
    found += [
        Shortfall(sections=sections, what=path, reason=f"/{path}: {reason}")
        for sections, disputed in ((MERGED, merged.disputed), (FILES, merged.disputed_modes))
        for path, reason in disputed.items()
    ]
    found += [
        Shortfall(sections=PACKAGES, what=path, reason=f"/{path}: {reason}")
        for path, reason in sorted(merged.unread_databases.items())
    ]
    found += [
        Shortfall(sections=PACKAGES, what=path, reason=f"/{path} is the package database of another root, and was left out")
        for path in merged.foreign_databases
    ]
    found += [
        Shortfall(sections=DECLARED, what=path, reason=f"/{path}: {reason}") for path, reason in sorted(merged.unread_locks.items())
    ]
    if sum(map(len, merged.declared.values())) > MAX_DECLARED:
        found.append(Shortfall(sections=DECLARED, what="lock files", reason=f"lock files list more than {MAX_DECLARED} packages"))
    return found


def _file_shortfalls(facts: Sequence[LayerFacts], max_files: int) -> list[Shortfall]:
    rows = sum(len(each.files) for each in facts)
    if rows <= max_files:
        return []
    reason = f"the image has {rows} entries in its layers, more than inspection.max_files allows"
    return [Shortfall(sections=FILES, what=OVER_BUDGET, reason=reason)]


def _revision(facts: Sequence[LayerFacts], config: Digest, sboms: FoundSboms) -> str:
    """What a verdict rests on. Facts that were cut short by a limit differ from those that were not."""
    lines = [" ".join((each.digest, *each.makers, *sorted(problem.reason for problem in each.problems))) for each in facts]
    attached = [f"{each.source} {each.digest} {each.packages}" for each in sboms.documents]
    return "sha256:" + sha256("\n".join((*lines, config, *attached, *sboms.section.skipped)).encode()).hexdigest()
