"""What is attached to an image that says something of it, and whether that is true. A part of `attestation.py`.

Nothing is believed but what a key has signed: tags, types and annotations can be written by whoever may push.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, PermanentError, RegistryRefusedError
from watcher.model.foreign_json import read_shaped
from watcher.model.image import Descriptor, Manifest
from watcher.model.moments import moment_of
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import Outcome, worst
from watcher.model.verdict_json import VERDICT_TYPE
from watcher.publishing.attestation_bundle import BUNDLE_PREFIX, read_bundle
from watcher.publishing.attestation_listed import MOST_LISTED
from watcher.publishing.attestation_tag import legacy_tag
from watcher.publishing.dsse import ENVELOPE_TYPE, MAX_ENVELOPE_BYTES, Envelope, read_envelope
from watcher.publishing.notation_envelope import NOTATION_TYPE, SignatureError, read_signature
from watcher.publishing.notation_trust import Trusted, problem_of
from watcher.publishing.signing_key import PublicKey
from watcher.publishing.statement import LEVELS, PASSED, PAYLOAD_TYPE, SUMMARY_TYPE, read_summary
from watcher.registry.protocol import OddListError, RegistryAccess

# Clocks differ; what is dated further ahead than this was dated to seem young.
AHEAD_SECONDS = 300.0
_FORMS = {VERDICT_TYPE: "verdict", NOTATION_TYPE: "notation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is asked about, resolved."""

    registry: Host
    repository: RepositoryName
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """By whom it must be signed, and how old it may be. `trusted` is for signatures of Notary Project."""

    keys: Sequence[PublicKey]
    trusted: Sequence[Trusted] = ()
    now: datetime
    max_age_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that was found. `problem` is why it does not count, empty where it does; the rest is what a key has signed.

    `form` is `bundle`, `legacy`, `notation` or `verdict`; `digest` is the artefact's, or the layer's under the tag.
    """

    form: str
    digest: Digest
    problem: str = ""
    outcome: Outcome | None = None
    said_at: datetime | None = None
    verifier: str = ""
    key: PublicKey | Trusted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`content` is the layer, None with a `problem` where it cannot be read."""

    form: str
    digest: Digest
    content: bytes | None = None
    is_signed: bool = True
    problem: str = ""


async def everything(access: RegistryAccess, image: Image) -> AsyncIterator[Found]:
    """Bundles, signatures and verdicts that are attached to the image, and the layers under its tag of attestations.

    MOST_LISTED of each.

    Raises: RetryableError, InvalidManifestError. ListIncompleteError, OddListError: something else may be attached.
    """
    manifests = access.manifests(image.repository)
    try:
        listed = await access.referrers.list_referrers(image.repository, image.digest)
    except OddListError:
        raise  # others may find something by it that we do not
    except RegistryRefusedError:
        listed = ()  # the image itself has the tag of the list: nothing can be found by it
    wanted = (BUNDLE_PREFIX, NOTATION_TYPE, VERDICT_TYPE)
    for entry in [each for each in listed if not each.artifact_type or each.artifact_type.startswith(wanted)][:MOST_LISTED]:
        form = _FORMS.get(entry.artifact_type or "", "bundle")
        try:
            content = (await manifests.manifest(entry.digest)).content
        except PermanentError as error:
            yield Found(form=form, digest=entry.digest, problem=f"cannot be read ({error.reason})")
            continue
        if not isinstance(content, Manifest) or not content.kind.startswith(wanted):
            continue
        form = _FORMS.get(content.kind, "bundle")
        if content.subject != image.digest or len(content.layers) != 1:
            yield Found(form=form, digest=entry.digest, problem="attached to another image")
            continue
        is_signed = form != "verdict" or content.layers[0].media_type == ENVELOPE_TYPE
        yield await _layer(access, image, form, entry.digest, content.layers[0], is_signed=is_signed)
    tag = legacy_tag(image.digest, "att")
    try:
        attestations = (await manifests.manifest(tag)).content if tag is not None else None
    except NotFoundError:
        return
    for layer in attestations.layers[:MOST_LISTED] if isinstance(attestations, Manifest) else ():
        yield await _layer(access, image, "legacy", layer.digest, layer)


def check(found: Found, image: Image, asked: Asked) -> Checked:
    """Whether it says something of this image that counts. Pure."""
    if found.content is None:
        return Checked(form=found.form, digest=found.digest, problem=found.problem)
    if not found.is_signed:
        return Checked(form=found.form, digest=found.digest, problem="not signed")
    if found.form == "notation":
        return _signature(found.digest, found.content, image, asked)
    try:
        envelope = read_bundle(found.content) if found.form == "bundle" else read_envelope(found.content)
        key = envelope.signer(asked.keys)
        if key is None:
            return Checked(form=found.form, digest=found.digest, problem="signed by none of the keys given")
        said = _verdict(envelope, image) if found.form == "verdict" else _summary(envelope, image)
    except PermanentError as error:
        return Checked(form=found.form, digest=found.digest, problem=str(error))
    problem = said.problem or _wrong_age(said.said_at, asked)
    return Checked(
        form=found.form,
        digest=found.digest,
        problem=problem,
        outcome=said.outcome,
        said_at=said.said_at,
        verifier=said.verifier,
        key=key,
    )


def decided(checked: Sequence[Checked]) -> Outcome | None:
    """The newest that counts: what stood before may still be attached, or be attached again. Of one moment the worst."""
    counts = [each for each in checked if not each.problem and each.outcome is not None and each.said_at is not None]
    newest = max((each.said_at for each in counts if each.said_at is not None), default=None)
    outcomes = [each.outcome for each in counts if each.said_at == newest and each.outcome is not None]
    return worst(outcomes) if outcomes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    problem: str = ""
    outcome: Outcome | None = None
    said_at: datetime | None = None
    verifier: str = ""


def _summary(envelope: Envelope, image: Image) -> _Said:
    """Raises StatementError for what is no summary."""
    if envelope.payload_type != PAYLOAD_TYPE:
        return _Said(problem=f"a payload of type {envelope.payload_type!r:.100}, not {PAYLOAD_TYPE}")
    summary, place = read_summary(envelope.payload), f"{image.registry}/{image.repository}"
    problem = ""
    if summary.predicate_type != SUMMARY_TYPE:
        problem = f"about something else: {summary.predicate_type!r:.100}"
    elif image.digest not in summary.digests:
        problem = "about another image"
    elif summary.resource != place:
        problem = f"about {summary.resource!r:.200}, not {place}"
    elif summary.result != PASSED:
        problem = f"its result is {summary.result!r:.100}, not {PASSED}"
    only_warns = LEVELS[Outcome.WARN] in summary.levels
    outcome = None if problem else Outcome.WARN if only_warns else Outcome.PASS
    return _Said(problem=problem, outcome=outcome, said_at=summary.verified_at, verifier=summary.verifier)


def _verdict(envelope: Envelope, image: Image) -> _Said:
    if envelope.payload_type != VERDICT_TYPE:
        return _Said(problem=f"a payload of type {envelope.payload_type!r:.100}, not {VERDICT_TYPE}")
    try:
        said = read_shaped(envelope.payload, _Verdict)
        outcome = Outcome(said.outcome)
    except ValueError as error:
        return _Said(problem=f"no verdict: {error!s:.200}")
    about = (said.image.get("registry"), said.image.get("repository"), said.image.get("digest"))
    if about != (image.registry, image.repository, image.digest):
        return _Said(problem="about another image")
    return _Said(outcome=outcome, said_at=moment_of(said.evaluated_at))


def _signature(digest: Digest, content: bytes, image: Image, asked: Asked) -> Checked:
    """It says of which image it is, and nothing else: whoever signs only what may run has said that it may."""
    try:
        signature = read_signature(content)
    except SignatureError as error:
        return Checked(form="notation", digest=digest, problem=str(error))
    signer = next((each for each in asked.trusted if each.has_signed(signature)), None)
    if signer is None:
        return Checked(form="notation", digest=digest, problem="signed by none of the keys given")
    about = "" if signature.target.digest == image.digest else "about another image"
    problem = about or problem_of(signature, asked.now) or _wrong_age(signature.said_at, asked)
    outcome = Outcome.PASS if not about else None
    return Checked(form="notation", digest=digest, problem=problem, outcome=outcome, said_at=signature.said_at, key=signer)


def _wrong_age(said_at: datetime | None, asked: Asked) -> str:
    if said_at is None:
        return "does not say when"
    age = (asked.now - said_at).total_seconds()
    if age < -AHEAD_SECONDS:
        return "dated in the future"
    return "too old" if asked.max_age_seconds is not None and age > asked.max_age_seconds else ""


async def _layer(
    access: RegistryAccess, image: Image, form: str, digest: Digest, layer: Descriptor, *, is_signed: bool = True
) -> Found:
    try:
        content = await access.manifests(image.repository).blob(layer, limit_bytes=MAX_ENVELOPE_BYTES)
    except PermanentError as error:
        return Found(form=form, digest=digest, problem=f"cannot be read ({error.reason})")
    return Found(form=form, digest=digest, content=content, is_signed=is_signed)


class _Verdict(msgspec.Struct, frozen=True):
    outcome: str
    image: dict[str, Any]
    evaluated_at: str
