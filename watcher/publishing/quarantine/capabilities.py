"""What quarantine can block in each kind of registry."""

from collections.abc import Mapping

from watcher.model.quarantine import Measure, Quarantine, StepState
from watcher.model.registry_kind import RegistryKind
from watcher.publishing.quarantine.protocol import Blocks, Capability

CAPABILITIES: Mapping[RegistryKind, Capability] = {
    "distribution": Capability(
        experimental=False,
        note="versions before 3 delete no tag: there a tag can only be moved. Whoever pulls by digest is not stopped",
    ),
    "zot": Capability(note="whoever pulls by digest is not stopped"),
    "ghcr": Capability(deletes_tags=False, note="a tag can be moved; it goes away only with its version, by GitHub's own API"),
    "dockerhub": Capability(deletes_tags=False, note="a tag can be moved unless it is immutable"),
    "ecr": Capability(deletes_tags=False, note="a tag can be moved unless it is immutable; lifecycle rules see `quarantined-`"),
    "gar": Capability(note="a tag can be moved unless the repository's tags are immutable"),
    "harbor": Capability(
        native="label the artifact",
        blocks=Blocks.NOTHING,
        permission="of the project: list and create label; create and delete artifact label; delete tag",
        note="people see the label, and rules of retention and replication can select by it; no pull is stopped",
    ),
    "acr": Capability(
        native="lock the manifest against reading",
        blocks=Blocks.ALL_PULLS,
        permission="metadata/write on the repository (role AcrPush, or a token with metadata_write)",
        note="`readEnabled: false`; where the quarantine policy is on, its state as well, which takes AcrQuarantineWriter: "
        "what passes is let through by it",
    ),
    "quay": Capability(
        native="label the manifest",
        blocks=Blocks.NOTHING,
        permission="api_token: an OAuth application's token with repo:write",
        note="people see the label; no pull is stopped",
    ),
    "artifactory": Capability(
        native="set properties on the manifest",
        blocks=Blocks.NOTHING,
        permission="read and annotate on the repository (Artifactory Pro)",
        note="what blocks by property, an Xray policy perhaps, is the operator's to set up",
    ),
}


def blocked(record: Quarantine, capability: Capability) -> str:
    """What nobody can pull any more by what was done, in words. Caches, mirrors and nodes that have it are not asked."""
    if record.has(Measure.DELETE, StepState.DONE):
        return str(Blocks.ALL_PULLS.value)
    if record.has(Measure.NATIVE, StepState.DONE) and capability.blocks is not Blocks.NOTHING:
        return str(capability.blocks.value)
    moved = [each.tag for each in record.moved()]
    return f"pulls by {', '.join(moved)}" if moved else str(Blocks.NOTHING.value)
