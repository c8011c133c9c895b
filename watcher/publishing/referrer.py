"""Attach the verdict to the image, in its registry, and where asked for its SBOM: one referrer of each per image."""

from dataclasses import replace

import structlog

from watcher.kit.seldom import Seldom
from watcher.model.moments import iso
from watcher.model.sbom_types import CYCLONEDX_JSON, OUR_MARK, SPDX_JSON
from watcher.model.verdict import Action, Verdict
from watcher.model.verdict_json import verdict_bytes
from watcher.publishing.context import PublisherContext
from watcher.publishing.dsse import ENVELOPE_TYPE, signed
from watcher.publishing.protocol import Progress, Sbom
from watcher.publishing.referrer_attaching import TOLD_SECONDS, Artifact, Attaching
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.publishing.signing_key import SigningKey, signing_key

log = structlog.get_logger(__name__)

VERDICT_TYPE = "application/vnd.registry-watcher.verdict.v1+json"
# By its own media type, as Trivy, Syft and ORAS attach one: those of others stand beside ours.
SBOM_TYPES = (CYCLONEDX_JSON, SPDX_JSON)


class ReferrerPublisher:
    """Publishes into the registry that the image is in."""

    def __init__(self, settings: ReferrerPublisherSettings, context: PublisherContext) -> None:
        """Raises ConfigurationError when the key to sign with cannot be read, or is of another kind."""
        self.name = settings.name
        self._sbom = settings.sbom
        self._key = signing_key(settings.sign_with, settings.sign_with_password) if settings.sign_with is not None else None
        self._registries = context.registries
        self._own_writes = context.own_writes
        self._locks = context.locks
        self._sboms = context.sboms
        self._seldom = Seldom(every_seconds=TOLD_SECONDS)

    async def open(self) -> None:
        """Whether we may write is a matter of each repository, so that it shows with the first verdict of one."""

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        """Attach the verdict first, so that whatever becomes of the SBOM does not keep it back."""
        subject = verdict.subject
        access = self._registries.access(subject.registry)
        async with self._locks.lock(subject):
            attaching = Attaching(
                access=access,
                own_writes=self._own_writes,
                repository=subject.repository,
                image=await access.manifests(subject.repository).describe(subject.digest),
                progress=progress,
                tags=subject.tags,
                seldom=self._seldom,
            )
            attached = await attaching.attach(_of_verdict(verdict, self._key))
            log.info(
                "referrer.published",
                image=subject.name,
                referrer=attached.digest,
                outcome=verdict.outcome.value,
                removed=attached.removed,
                kept=attached.kept,
            )
            if self._sbom is not None:
                await self._attach_sbom(verdict, self._sbom, attaching)

    async def aclose(self) -> None:
        """The clients of registries belong to the daemon."""

    async def _attach_sbom(self, verdict: Verdict, written_as: str, attaching: Attaching) -> None:
        subject = verdict.subject
        sbom = await self._sboms.written(subject.digest, f"{subject.registry}/{subject.repository}", written_as)
        if sbom is None:
            log.info("sbom.absent", image=subject.name, reason="not inspected: an index, or nobody could look at it")
            return
        attached = await attaching.attach(_of_sbom(sbom))
        log.info("sbom.published", image=subject.name, referrer=attached.digest, removed=attached.removed, kept=attached.kept)


def annotations(verdict: Verdict) -> dict[str, str]:
    """What tools show of a referrer without fetching it. Hints: anybody who can push can write them."""
    evaluated_at = iso(verdict.evaluated_at)
    return {
        "io.registry-watcher.outcome": verdict.outcome.value,
        "io.registry-watcher.policy-revision": verdict.policy_revision,
        "io.registry-watcher.evaluated-at": evaluated_at,
        "io.registry-watcher.findings-fail": str(verdict.count(Action.FAIL)),
        "io.registry-watcher.findings-warn": str(verdict.count(Action.WARN)),
        "org.opencontainers.image.created": evaluated_at,
    }


def _of_verdict(verdict: Verdict, key: SigningKey | None) -> Artifact:
    # Whoever may pull the image may read it, and need not know who pushed.
    told = verdict if verdict.origin is None else replace(verdict, origin=replace(verdict.origin, actor=None))
    content = verdict_bytes(told)
    return Artifact(
        type=VERDICT_TYPE,
        # Any outcome is signed: as nothing but an envelope of our own type no verifier of signatures counts it as one.
        content=content if key is None else signed(content, VERDICT_TYPE, key),
        annotations=annotations(verdict),
        replaces=(VERDICT_TYPE,),
        layer_type="" if key is None else ENVELOPE_TYPE,
    )


def _of_sbom(sbom: Sbom) -> Artifact:
    """The same facts are the same artefact: without a time of ours, since that of the image is in the document."""
    return Artifact(
        type=sbom.media_type,
        content=sbom.content,
        annotations={OUR_MARK: sbom.facts_revision},
        replaces=SBOM_TYPES,
        mark=OUR_MARK,
        recurs=True,
    )
