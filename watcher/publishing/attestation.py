"""That an image passed, signed, in the form that those who ask for it read: one attestation per image, and none that is not true.

`cosign verify` of version 3 and what reuses it take any Sigstore bundle that a trusted key has signed for an approval of the image,
whatever it says; and where one bundle is, they look at no signature of the old form any more. So nothing but a pass is ever
attested, and an image that is signed in the old form is attested in that.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

from watcher.model.digest import Digest
from watcher.model.errors import PermanentError
from watcher.model.image import INDEX_TYPES, MANIFEST_TYPES, MAX_INDEX_DEPTH, Index, Manifest
from watcher.model.moments import iso
from watcher.model.reference import RepositoryName
from watcher.model.registry_kind import RegistryKind
from watcher.model.verdict import Verdict
from watcher.publishing.attestation_bundle import BUNDLE_PREFIX, BUNDLE_TYPE, bundle_annotations, bundle_bytes
from watcher.publishing.attestation_listed import OUR_ATTESTATION, Left, Listed, Listing, TooManyListedError
from watcher.publishing.attestation_tag import AttestationTag, Held, legacy_tag
from watcher.publishing.dsse import signed
from watcher.publishing.notation import Notary
from watcher.publishing.notation_envelope import NOTATION_TYPE
from watcher.publishing.protocol import OwnWrites
from watcher.publishing.referrer_attaching import Artifact, Attaching
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.publishing.signing_key import PublicKey, SigningKey
from watcher.publishing.statement import PAYLOAD_TYPE, SUMMARY_TYPE, summary_bytes
from watcher.registry.protocol import RegistryAccess

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

log = structlog.get_logger(__name__)

Form = Literal["bundle", "legacy"]
# They list every referrer and delete none by the specification: a bundle there could never be taken back, and what a tag leads to
# can be replaced.
UNDELETABLE: Collection[RegistryKind] = {"dockerhub"}
# Kyverno refuses an image with more than fifty referrers: what cannot be removed must not pile up to that.
MOST_BUNDLES = 40
_GRANT = "If some are ours, our account needs the permission to delete in the repository"


class NotRemovableError(PermanentError):
    """What would be put there could not be taken back."""

    reason = "not-removable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What could not be removed, as phrases: what everybody finds who asks about the image, and what nobody does."""

    standing: Sequence[str] = ()
    hidden: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """In which form, and what of ours in another form, or of before, remains."""

    form: Form
    remains: Remains


@dataclass(frozen=True, slots=True, kw_only=True)
class Attesting:
    """Of one image, whose referrers and tags the caller has locked. `key` and `notary` tell what is ours besides our marks."""

    access: RegistryAccess
    own_writes: OwnWrites
    repository: RepositoryName
    image: Digest
    key: PublicKey | None = None
    notary: "PublicKeyTypes | None" = None

    async def attest(
        self, verdict: Verdict, key: SigningKey, settings: ReferrerPublisherSettings, attaching: Attaching
    ) -> Attested:
        """After this returns the image is attested once by us, in one form.

        Raises: as `Attaching.attach` and `AttestationTag.write`.
        """
        statement = summary_bytes(verdict, await self._subjects(self.image), settings.verifier)
        envelope = signed(statement, PAYLOAD_TYPE, key)
        bundles, tag = (await self._listing.bundles()).whole(), self._tag
        held = await tag.read() if tag is not None else Held()
        form = await self._form(settings.attestation_format, bundles, held)
        if form == "legacy" and tag is not None:
            await tag.write(envelope, verdict.id)
            return Attested(form=form, remains=_remains(await self._listing.remove(bundles)))
        if len(bundles.ours) + bundles.others >= MOST_BUNDLES:
            kept = bundles.others + len((await self._listing.remove(bundles)).listed)
            if kept >= MOST_BUNDLES:
                raise TooManyListedError(f"{self._name}: has {kept} Sigstore bundles, and gets no other. {_GRANT}")
        artifact = Artifact(
            type=BUNDLE_TYPE,
            content=bundle_bytes(envelope, key.public),
            annotations={
                **bundle_annotations(SUMMARY_TYPE, iso(verdict.evaluated_at)),
                OUR_ATTESTATION: verdict.id,
            },
            replaces=(BUNDLE_TYPE,),
            mark=OUR_ATTESTATION,
            recurs=True,
        )
        attached = await attaching.attach(artifact)
        before = [each for each in bundles.ours if each != attached.digest]
        left = await self._listing.remove(Listed(ours=before, gone=bundles.gone))
        if tag is not None and held.ours:
            await tag.write(None)
        return Attested(form="bundle", remains=_remains(left))

    async def sign(self, verdict: Verdict, notary: Notary, attaching: Attaching) -> Remains:
        """After this returns the image is signed once by us, as Notary Project says, but for what remains of before.

        Raises: as `Notary.sign`. NotRemovableError.
        """
        if self.access.kind in UNDELETABLE and not notary.expires:
            what = (
                f"{self._name}: is not signed: its registry deletes no signature, and would list it whatever becomes of the image"
            )
            raise NotRemovableError(f"{what}; with `notation.expires_after` it expires at least")
        return _remains(await notary.sign(verdict, attaching, self._listing))

    async def unsign(self) -> Remains:
        """After this returns the image has no signature of ours, but for what remains.

        Raises: as `remove`.
        """
        return _remains(await self._listing.remove(await self._listing.signatures()))

    async def remove(self) -> Remains:
        """After this returns nothing attests the image in our name, in either form, but for what remains.

        Raises: RetryableError, where it has to be tried again.
        """
        try:
            left = _remains(await self._listing.remove(await self._listing.bundles()))
        except PermanentError as error:
            # Nobody can say what is listed, perhaps: the tag has no part in it.
            left = Remains(standing=[f"a Sigstore bundle, perhaps ({error.reason}: {error!s:.200})"])
        standing, hidden = [*left.standing], [*left.hidden]
        if self._tag is not None:
            try:
                # Most images have none, and some registries count what is fetched.
                is_there = await self.access.manifests(self.repository).head(self._tag.tag) is not None
                if is_there and not await self._tag.write(None):
                    hidden.append(f"what was under {self._tag.tag}")
            except PermanentError as error:
                # It cannot be read, or the tag is immutable.
                standing.append(f"an attestation under {self._tag.tag}, perhaps ({error.reason})")
        return Remains(standing=standing, hidden=hidden)

    async def is_ours(self, artefact: Manifest) -> bool:
        """Whether it attests in our name, or signs: by our mark or by our key."""
        return artefact.kind.startswith((BUNDLE_PREFIX, NOTATION_TYPE)) and await self._listing.is_ours(artefact)

    async def remove_type(self, artifact_type: str) -> Remains:
        """After this returns no artefact of a type that is only ours is attached, but for what remains."""
        return _remains(await self._listing.remove(await self._listing.of_type(artifact_type)))

    async def _form(self, wanted: str, bundles: Listed, held: Held) -> Form:
        """What the image is signed by already, whoever did it; ours decides nothing, or the first choice would be for ever."""
        if wanted != "auto":
            return "legacy" if wanted == "legacy" else "bundle"
        if bundles.others:
            return "bundle"
        if held.foreign or self.access.kind in UNDELETABLE:
            return "legacy"
        signature = legacy_tag(self.image, "sig")
        is_signed = signature is not None and await self.access.manifests(self.repository).head(signature) is not None
        return "legacy" if is_signed else "bundle"

    async def _subjects(self, digest: Digest, depth: int = 0) -> list[Digest]:
        """The image, and every platform of an index: whoever runs one of them asks by its own digest.

        Entries for no platform are left out: they are what builders attach, and nobody asks about them.
        """
        fetched = await self.access.manifests(self.repository).manifest(digest)
        found = {digest: None}
        if isinstance(fetched.content, Index) and depth < MAX_INDEX_DEPTH:
            for entry in fetched.content.manifests:
                if entry.platform is not None and entry.platform.startswith("unknown"):
                    continue
                if entry.media_type in INDEX_TYPES:
                    found |= dict.fromkeys(await self._subjects(entry.digest, depth + 1))
                elif entry.media_type in MANIFEST_TYPES:
                    found[entry.digest] = None
        return list(found)

    @property
    def _listing(self) -> Listing:
        return Listing(
            access=self.access,
            own_writes=self.own_writes,
            repository=self.repository,
            image=self.image,
            key=self.key,
            notary=self.notary,
        )

    @property
    def _tag(self) -> AttestationTag | None:
        tag = legacy_tag(self.image, "att")
        if tag is None:
            return None
        return AttestationTag(access=self.access, own_writes=self.own_writes, repository=self.repository, tag=tag, key=self.key)

    @property
    def _name(self) -> str:
        return f"{self.repository}@{self.image}"


def _remains(left: Left) -> Remains:
    unseen = [f"more, perhaps ({TooManyListedError.reason}: {left.unseen:.200})"] if left.unseen else []
    return Remains(standing=[*left.listed, *unseen], hidden=[*left.unlisted])
