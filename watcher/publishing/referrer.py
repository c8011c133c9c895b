"""Attach the verdict to the image, in its registry, and where asked an attestation and its SBOM: one of each per image."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace

import structlog

from watcher.kit.seldom import Seldom
from watcher.model.errors import AuthenticationError, PermanentError, RegistryUnavailableError, RetryableError
from watcher.model.image import Descriptor, Manifest
from watcher.model.moments import iso
from watcher.model.reference import Host, RepositoryName
from watcher.model.sbom_types import CYCLONEDX_JSON, OUR_MARK, SPDX_JSON
from watcher.model.verdict import Action, Outcome, Subject, Verdict
from watcher.model.verdict_json import VERDICT_TYPE, verdict_bytes
from watcher.publishing.attestation import Attesting, Remains
from watcher.publishing.attestation_following import signed_by
from watcher.publishing.context import PublisherContext
from watcher.publishing.dsse import ENVELOPE_TYPE, signed
from watcher.publishing.notation import CertificateExpiredError, notary
from watcher.publishing.protocol import Progress, Sbom
from watcher.publishing.referrer_attaching import TOLD_SECONDS, Artifact, Attaching
from watcher.publishing.referrer_keeping import Keeping
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.publishing.signing_key import SigningKey, signing_key
from watcher.registry.protocol import RegistryAccess

log = structlog.get_logger(__name__)

# By its own media type, as Trivy, Syft and ORAS attach one: those of others stand beside ours.
SBOM_TYPES = (CYCLONEDX_JSON, SPDX_JSON)
# Who renews certificates reads the log in the morning.
WARNED_SECONDS = 86400.0
_GRANT = "Our account needs the permission to delete in the repository"


class NotPermittedError(RetryableError):
    """We may read there and not write. Once we may, it is made up for; until then the verdict is in the store alone."""

    reason = "push-not-permitted"


class StandingError(PermanentError):
    """The registry does not let us remove what says of the image what is not so any more."""

    reason = "not-removed"


class ReferrerPublisher:
    """Publishes into the registry that the image is in.

    It hears of every verdict: what it attached for an earlier one must not stand when that is not so any more.
    """

    def __init__(self, settings: ReferrerPublisherSettings, context: PublisherContext) -> None:
        """Raises ConfigurationError when a key or the certificates to sign with cannot be read, or are not what is wanted."""
        self.name = settings.name
        self._settings = settings
        self._key = signing_key(settings.sign_with, settings.sign_with_password) if settings.sign_with is not None else None
        self._clock = context.clock
        self._notary = notary(settings.notation, self._clock()) if settings.notation is not None else None
        self._seldom_warned = Seldom(every_seconds=WARNED_SECONDS)
        self._registries = context.registries
        self._own_writes = context.own_writes
        self._locks = context.locks
        self._sboms = context.sboms
        self._judgements = context.judgements
        self._environment = context.environment
        self._seldom = Seldom(every_seconds=TOLD_SECONDS)
        self._warned: set[tuple[Host, RepositoryName]] = set()

    async def open(self) -> None:
        """Whether we may write is a matter of each repository, so that it shows with the first verdict of one."""
        self._warn_of_expiry()

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        """Have in the registry what follows from the verdict, and nothing that followed from an earlier one.

        1. Remove what attests the image, unless it is to be attested: whenever we end, nothing says of it that it passed.
        2. Attach the verdict, or remove the last one where nobody asked for this.
        3. Attest the image, and sign it; attach its SBOM, so that whatever becomes of that keeps nothing else back.
        4. Fail if something could not be removed or signed, now that everything else is done: that has to be looked at.

        What is no image may be attached to one, or be the list of what is: then that is kept whole. Or it may sign one.
        """
        subject = verdict.subject
        access = self._registries.access(subject.registry)
        async with self._locks.lock(subject):
            verdict = await self._now(verdict)
            outcome = verdict.outcome
            attesting = self._attesting(access, subject)
            attests = await self._is_attestable(verdict)
            remains, unasked = list[Remains](), list[RegistryUnavailableError]()
            # Without a key, or by a question, a pass leaves an attestation of before as true as it was.
            as_true = outcome is Outcome.PASS or outcome.value in self._settings.attest
            if not attests and not (as_true and not (self._has_key and self._is_home(verdict))):
                remains.append(await _removed(attesting.unsign(), unasked))
                remains.append(await _removed(attesting.remove(), unasked))
            if outcome not in self._settings.outcomes:
                remains.append(await _removed(attesting.remove_type(VERDICT_TYPE), unasked))
            if attests or outcome in self._settings.outcomes:
                image = await access.manifests(subject.repository).describe(subject.digest)
                try:
                    await self._attach(verdict, access, attesting, progress, image, attests=attests)
                except AuthenticationError as error:
                    self._warn(verdict, remains)
                    raise self._not_permitted(subject, error) from error
                except RetryableError:
                    self._warn(verdict, remains)
                    raise
                except PermanentError as error:
                    self._warn(verdict, remains)
                    if standing := _standing(remains):
                        raise _still(verdict, standing, f"; besides, {error.reason}: {error!s:.300}") from error
                    raise
            if attests and not await self._is_attestable(verdict):
                # We were stopped for so long that somebody else has told of the next verdict meanwhile.
                remains.append(await _removed(attesting.unsign(), unasked))
                remains.append(await _removed(attesting.remove(), unasked))
        if outcome is Outcome.NOT_APPLICABLE:
            await self._keep(subject, access, progress)
            await self._follow(subject, access, progress)
        self._warn(verdict, remains)
        if unasked:
            raise unasked[0]
        if standing := _standing(remains):
            raise _still(verdict, standing)
        if attests and (problem := self._expired):
            advice = "Renew it and restart the watcher, then `watcher dead-letters replay`"
            raise CertificateExpiredError(f"{subject.name}: is not signed: {problem}. {advice}")

    async def aclose(self) -> None:
        """The clients of registries belong to the daemon."""

    async def _keep(self, found: Subject, access: RegistryAccess, progress: Progress) -> None:
        async def attach(standing: Verdict) -> None:
            await self.publish(standing, progress)

        async def is_false(artefact: Manifest, standing: Verdict) -> bool:
            attests = standing.outcome.value in self._settings.attest
            return not attests and await self._attesting(access, standing.subject).is_ours(artefact)

        keeping = Keeping(
            judgements=self._judgements,
            own_writes=self._own_writes,
            locks=self._locks,
            outcomes={*self._settings.outcomes} - {Outcome.NOT_APPLICABLE},
            verdict_type=VERDICT_TYPE,
            attach=attach,
            is_false=is_false,
        )
        await keeping.keep(access, found)

    def _attesting(self, access: RegistryAccess, image: Subject) -> Attesting:
        return Attesting(
            access=access,
            own_writes=self._own_writes,
            repository=image.repository,
            image=image.digest,
            key=self._key.public if self._key is not None else None,
            notary=self._notary.public if self._notary is not None else None,
        )

    async def _follow(self, found: Subject, access: RegistryAccess, progress: Progress) -> None:
        """What was pushed may sign an image: publish once more what is true of that.

        It may be signed in a form that ours now hides; or attested in our name, by the tag of before it failed.
        """
        if not self._has_key or not self._settings.attest:
            return
        is_legacy = any(tag.endswith(".att") for tag in found.tags)
        for image in await signed_by(access, found):
            standing = await self._judgements.standing(found.registry, found.repository, image)
            attests = any(each.outcome.value in self._settings.attest for each in standing)
            is_image = bool(standing) and standing[0].outcome is not Outcome.NOT_APPLICABLE
            if is_image and (self._settings.attestation_format == "auto" if attests else is_legacy):
                await self.publish(standing[0], progress)

    async def _now(self, told: Verdict) -> Verdict:
        """What is true of the image now, however late we hear of it: the newest verdict of the environment it belongs to.

        Whoever submits it for another environment asks what it would be there; where that is all that is known, it is given.
        """
        subject = told.subject
        standing = await self._judgements.standing(subject.registry, subject.repository, subject.digest)
        return next(filter(self._is_home, standing), told)

    def _is_home(self, verdict: Verdict) -> bool:
        subject = verdict.subject
        return subject.environment == self._environment(subject.registry, subject.repository)

    async def _is_attestable(self, verdict: Verdict) -> bool:
        """Whether it is now: an answer to a question approves nothing."""
        if not self._has_key or not self._is_home(verdict):
            return False
        return {verdict.outcome.value, (await self._now(verdict)).outcome.value} <= {*self._settings.attest}

    @property
    def _has_key(self) -> bool:
        return self._key is not None or self._notary is not None

    @property
    def _expired(self) -> str:
        return self._notary.problem_at(self._clock()) if self._notary is not None else ""

    def _warn_of_expiry(self) -> None:
        warning = self._notary.warning_at(self._clock()) if self._notary is not None else ""
        if warning and self._seldom_warned.times("expires"):
            log.warning("notation.expires-soon", publisher=self.name, detail=warning)

    def _not_permitted(self, subject: Subject, error: AuthenticationError) -> NotPermittedError:
        """We could read a moment ago. Said once in a while of each registry."""
        missing = f"our account needs the permission to push to {subject.registry}/{subject.repository}"
        if times := self._seldom.times(f"push {subject.registry}"):
            log.warning(
                "referrer.not-permitted", image=subject.name, times=times, detail=f"{missing}; verdicts are in the store alone"
            )
        return NotPermittedError(f"{missing} ({error!s:.300})", retry_after_seconds=error.retry_after_seconds)

    async def _attach(
        self,
        verdict: Verdict,
        access: RegistryAccess,
        attesting: Attesting,
        progress: Progress,
        image: Descriptor,
        *,
        attests: bool,
    ) -> None:
        subject, wanted = verdict.subject, verdict.outcome in self._settings.outcomes
        attaching = Attaching(
            access=access,
            own_writes=self._own_writes,
            repository=subject.repository,
            image=image,
            progress=progress,
            tags=subject.tags,
            seldom=self._seldom,
        )
        if wanted:
            attached = await attaching.attach(_of_verdict(verdict, self._key))
            log.info(
                "referrer.published",
                image=subject.name,
                referrer=attached.digest,
                outcome=verdict.outcome.value,
                removed=attached.removed,
                kept=attached.kept,
            )
        try:
            if self._key is not None and attests:
                attested = await attesting.attest(verdict, self._key, self._settings, attaching)
                log.info("attestation.published", image=subject.name, form=attested.form, outcome=verdict.outcome.value)
                self._warn(verdict, [attested.remains])
            if self._notary is not None and attests and not self._expired:
                remains = await attesting.sign(verdict, self._notary, attaching)
                log.info("signature.published", image=subject.name, outcome=verdict.outcome.value)
                self._warn(verdict, [remains])
                self._warn_of_expiry()
        except PermanentError:
            # An immutable tag, perhaps, or too many referrers: the SBOM has no part in it.
            await self._attach_sbom(verdict, attaching)
            raise
        await self._attach_sbom(verdict, attaching)

    def _warn(self, verdict: Verdict, remains: Sequence[Remains]) -> None:
        """Once for each repository: what is missing there is missing for all its images."""
        subject, left = verdict.subject, [phrase for each in remains for phrase in (*each.standing, *each.hidden)]
        place = (subject.registry, subject.repository)
        if left and place not in self._warned:
            self._warned.add(place)
            log.warning("attestation.not-removed", image=subject.name, outcome=verdict.outcome.value, left=left, detail=_GRANT)

    async def _attach_sbom(self, verdict: Verdict, attaching: Attaching) -> None:
        subject, written_as = verdict.subject, self._settings.sbom
        if written_as is None or verdict.outcome not in self._settings.outcomes:
            return
        sbom = await self._sboms.written(subject.digest, f"{subject.registry}/{subject.repository}", written_as)
        if sbom is None:
            log.info("sbom.absent", image=subject.name, reason="not inspected: an index, or nobody could look at it")
            return
        attached = await attaching.attach(_of_sbom(sbom))
        log.info("sbom.published", image=subject.name, referrer=attached.digest, removed=attached.removed, kept=attached.kept)


async def _removed(removing: Awaitable[Remains], unasked: list[RegistryUnavailableError]) -> Remains:
    """What keeps us from looking keeps nothing else back: the verdict is told, and then that.

    `unasked` are added to: the same may succeed later, once there is a list under the tag if not before.
    """
    try:
        return await removing
    except RegistryUnavailableError as error:
        unasked.append(error)
        return Remains()
    except PermanentError as error:
        return Remains(standing=[f"something, perhaps ({error.reason}: {error!s:.200})"])


def _standing(remains: Sequence[Remains]) -> str:
    return ", ".join(dict.fromkeys(phrase for each in remains for phrase in each.standing))


def _still(verdict: Verdict, standing: str, besides: str = "") -> StandingError:
    what = f"{verdict.subject.name} is {verdict.outcome.value}, and what says otherwise is attached to it still: {standing:.500}"
    return StandingError(f"{what}. {_GRANT}; then `watcher dead-letters replay`{besides}")


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
