"""The form of an attestation follows how others sign the image, whenever they do."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.doubles.attesting import BUNDLE, REPOSITORY
from tests.doubles.publishing import Notes
from tests.doubles.referrer_bench import EVERYWHERE, FORMS, IMAGE, AttestingBench, record
from watcher.model.digest import Digest, digest_of
from watcher.model.image import OCI_MANIFEST
from watcher.model.reference import Tag
from watcher.model.verdict import Outcome, Verdict

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]


def heard_of(bench: AttestingBench, digest: str, *tags: str) -> Verdict:
    """What the daemon says of something that is no image."""
    verdict = bench.verdict(Outcome.NOT_APPLICABLE, id=f"of-{digest[7:19]}")
    subject = replace(verdict.subject, digest=Digest(digest), tags=tuple(map(Tag, tags)))
    return replace(verdict, subject=subject)


@EVERYWHERE
async def test_a_signature_that_comes_later_is_not_hidden(attesting: AttestingBench) -> None:
    """Pushed, attested, and then signed: in the old form, and by a bundle."""
    await record(attesting, passed := attesting.verdict())
    await attesting.publisher.publish(passed, Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (1, 0)
    signature = await attesting.stranger.sign_legacy(IMAGE, "sig", {"a": 1})
    tag = f"{IMAGE.digest.replace(':', '-')}.sig"
    await attesting.publisher.publish(heard_of(attesting, signature, tag), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 1)
    bundle = await attesting.stranger.attach_bundle(IMAGE, {"mediaType": BUNDLE}, {})
    await attesting.publisher.publish(heard_of(attesting, bundle), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (2, 0)


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN])
async def test_a_signature_makes_no_image_pass(attesting: AttestingBench, outcome: Outcome) -> None:
    await record(attesting, attesting.verdict(outcome))
    signature = await attesting.stranger.sign_legacy(IMAGE, "sig", {"a": 1})
    tag = f"{IMAGE.digest.replace(':', '-')}.sig"
    await attesting.publisher.publish(heard_of(attesting, signature, tag), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)


@pytest.mark.parametrize("changes", [{"attestation_format": "bundle"}, {"attest": ()}])
async def test_where_the_form_is_written_down_nothing_follows(attesting: AttestingBench, changes: dict[str, Any]) -> None:
    publisher = attesting.publishing(**changes)
    await record(attesting, passed := attesting.verdict())
    await publisher.publish(passed, Notes())
    before = await attesting.stranger.counts(IMAGE.digest)
    signature = await attesting.stranger.sign_legacy(IMAGE, "sig", {"a": 1})
    await publisher.publish(heard_of(attesting, signature, f"{IMAGE.digest.replace(':', '-')}.sig"), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == before


@EVERYWHERE
async def test_a_pass_of_before_that_somebody_pushes_again_is_removed(attesting: AttestingBench) -> None:
    """What our key has signed, in another manifest and without our mark: it is no entry that its client has lost."""
    await attesting.publish()
    (entry,) = await attesting.stranger.referrers(IMAGE.digest, BUNDLE)
    held = attesting.registry.content.existing(REPOSITORY)
    said = held.manifests[entry["digest"]].body
    await record(attesting, attesting.verdict(Outcome.FAIL, id="failed"))
    await attesting.publish(Outcome.FAIL, id="failed")
    raw = json.dumps({**said, "annotations": {"somebody": "else"}}).encode()
    replayed = held.put_manifest(raw, OCI_MANIFEST, digest_of(raw)).digest
    await attesting.publisher.publish(heard_of(attesting, replayed), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)


@FORMS
@EVERYWHERE
async def test_the_very_bytes_of_before_are_not_taken_for_ours(attesting: AttestingBench, form: str) -> None:
    """Their event starts work again, and by it they are removed."""
    attesting.publisher = attesting.publishing(attestation_format=form)
    await attesting.publish()
    held = attesting.registry.content.existing(REPOSITORY)
    tag = f"{IMAGE.digest.replace(':', '-')}.att"
    listed = await attesting.stranger.referrers(IMAGE.digest, BUNDLE)
    attested = held.manifests[Digest(listed[0]["digest"]) if listed else held.tags[Tag(tag)]]
    assert await attesting.context.own_writes.claimed([attested.digest])
    await record(attesting, attesting.verdict(Outcome.FAIL, id="failed"))
    await attesting.publish(Outcome.FAIL, id="failed")
    assert not await attesting.context.own_writes.claimed([attested.digest])
    held.put_manifest(attested.raw, OCI_MANIFEST, attested.digest if listed else tag)
    await attesting.publisher.publish(heard_of(attesting, attested.digest, *([] if listed else [tag])), Notes())
    assert await attesting.stranger.counts(IMAGE.digest) == (0, 0)
