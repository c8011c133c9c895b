"""Images that pass are signed as Notary Project says: one signature of ours for each image, and none where it does not pass.

Such a signature says nothing but of which manifest it is. Whoever finds one lets the image run, so that it stands beside an
attestation in everything: what is attested is signed, and what is not so any more is removed by whatever removes attestations.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.kit.regular_files import read_regular
from watcher.model.errors import ConfigurationError, PermanentError
from watcher.model.moments import iso
from watcher.model.verdict import Verdict
from watcher.publishing.attestation_listed import OUR_ATTESTATION, Left, Listed, Listing, TooManyListedError
from watcher.publishing.notation_algorithm import WANTED_KEY
from watcher.publishing.notation_chain import ChainError, check_chain, name_of, problem_at, read_chain
from watcher.publishing.notation_envelope import JWS_TYPE, NOTATION_TYPE, THUMBPRINTS, signature_bytes, thumbprints
from watcher.publishing.notation_settings import NotationSettings
from watcher.publishing.referrer_attaching import Artifact, Attaching
from watcher.publishing.signing_key import private_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.x509 import Certificate

# A month is what people need who have to ask somebody else for a certificate.
SOON = timedelta(days=30)
# Kyverno refuses an image with more than fifty referrers: what cannot be removed must not pile up to that.
MOST_SIGNATURES = 40


class CertificateExpiredError(PermanentError):
    """The certificates to sign with are not valid now; nobody would accept what they sign."""

    reason = "certificate-expired"


class Notary:
    """Signs images. Shows nothing of its key: not in `repr`, not in a log, not in an error."""

    __slots__ = ("_chain", "_expires_after", "_key")

    def __init__(self, key: "PrivateKeyTypes", chain: Sequence["Certificate"], expires_after: timedelta | None = None) -> None:
        self._key = key
        self._chain = chain
        self._expires_after = expires_after

    @property
    def public(self) -> "PublicKeyTypes":
        """What was signed by it is ours."""
        return self._chain[0].public_key()

    @property
    def expires(self) -> bool:
        """Whether its signatures do, so that none is for ever."""
        return self._expires_after is not None

    def problem_at(self, moment: datetime) -> str:
        """Why nobody would accept a signature then, empty where there is nothing."""
        return problem_at(self._chain, moment)

    def warning_at(self, moment: datetime) -> str:
        """What expires within a month, empty for nothing."""
        first = min(self._chain, key=lambda each: each.not_valid_after_utc)
        is_soon = first.not_valid_after_utc - moment < SOON
        return f"{name_of(first)}: expires at {iso(first.not_valid_after_utc)}" if is_soon else ""

    async def sign(self, verdict: Verdict, attaching: Attaching, listing: Listing) -> Left:
        """After this returns the image is signed once by us, but for what is given back.

        The time is the verdict's, so that of an EC key the same verdict is the same bytes; a certificate that is younger could not
        have signed then, and its first moment stands for it.

        Raises: as `Attaching.attach`. TooManyListedError.
        """
        listed = (await listing.signatures()).whole()
        if len(listed.ours) + listed.others >= MOST_SIGNATURES:
            kept = listed.others + len((await listing.remove(listed)).listed)
            if kept >= MOST_SIGNATURES:
                advice = "If some are ours, our account needs the permission to delete in the repository"
                what = f"{listing.repository}@{listing.image}: has {kept} Notary Project signatures, and gets no other"
                raise TooManyListedError(f"{what}. {advice}")
        youngest = max(each.not_valid_before_utc for each in self._chain)
        moment = max(verdict.evaluated_at, youngest)
        content = signature_bytes(
            attaching.image,
            self._key,
            self._chain,
            moment=moment,
            expires_at=moment + self._expires_after if self._expires_after is not None else None,
            agent=f"registry-watcher/{verdict.engine_version}",
        )
        artifact = Artifact(
            type=NOTATION_TYPE,
            content=content,
            annotations={
                THUMBPRINTS: thumbprints(self._chain),
                "org.opencontainers.image.created": iso(moment.replace(microsecond=0)),
                OUR_ATTESTATION: verdict.id,
            },
            replaces=(NOTATION_TYPE,),
            mark=OUR_ATTESTATION,
            recurs=True,
            layer_type=JWS_TYPE,
            # As every version of notation reads it, and the registries that know no artifactType.
            by_config=True,
        )
        attached = await attaching.attach(artifact)
        before = [each for each in listed.ours if each != attached.digest]
        return await listing.remove(Listed(ours=before, gone=listed.gone)) if before or listed.gone else Left()

    def __repr__(self) -> str:
        return "***"


def notary(settings: NotationSettings, now: datetime) -> Notary:
    """Whoever the settings say.

    Raises:
        ConfigurationError: the key or the certificates cannot be read, do not belong together, or sign nothing that a verifier
            accepts now.
    """
    key = private_key(settings.key, settings.key_password, WANTED_KEY)
    try:
        chain = read_chain(read_regular(settings.chain))
        check_chain(chain)
    except OSError as error:
        raise ConfigurationError(f"{settings.chain}: cannot be read: {error.strerror}") from error
    except ChainError as error:
        raise ConfigurationError(f"{settings.chain}: {error}") from error
    if key.public_key() != chain[0].public_key():
        raise ConfigurationError(f"{settings.key}: is not the key of {name_of(chain[0])}, the first in {settings.chain}")
    if problem := problem_at(chain, now):
        raise ConfigurationError(f"{settings.chain}: {problem}")
    return Notary(key, chain, timedelta(seconds=settings.expires_after_seconds) if settings.expires_after is not None else None)
