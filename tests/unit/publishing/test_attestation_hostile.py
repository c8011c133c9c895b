"""Whoever may push attaches what he likes: it keeps no failing verdict from being told, and no attestation from being removed."""

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest

from tests.doubles.attaching import attached
from tests.doubles.attesting import BUNDLE, ENVELOPE, REPOSITORY
from tests.doubles.referrer_bench import EVERYWHERE, IMAGE, AttestingBench
from watcher.model.digest import digest_of
from watcher.model.image import OCI_MANIFEST
from watcher.model.referrers_tag import fallback_tag
from watcher.model.verdict import Outcome
from watcher.publishing.attestation_listed import TooManyListedError
from watcher.publishing.attestation_tag import legacy_tag
from watcher.publishing.referrer import StandingError
from watcher.registry.protocol import OddListError
from watcher.testing.faults import Fault
from watcher.testing.images import put_image
from watcher.testing.registry import Switches

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]

API = pytest.mark.parametrize("switches", [Switches(referrers_api=True)])
DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@EVERYWHERE
async def test_an_attached_blob_that_nests_deep(attesting: AttestingBench) -> None:
    """It is somebody's, and stays; ours is gone."""
    await attesting.publish()
    junk = attached(IMAGE, BUNDLE, DEEP)
    put_image(attesting.registry, REPOSITORY, junk)
    if not attesting.registry.switches.referrers_api:
        entry = {"mediaType": OCI_MANIFEST, "digest": junk.digest, "size": len(junk.raw), "artifactType": BUNDLE}
        attesting.put_fallback(*await attesting.stranger.referrers(IMAGE.digest), entry)
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]
    (left,) = await attesting.stranger.referrers(IMAGE.digest, BUNDLE)
    assert left["digest"] == junk.digest


@pytest.mark.parametrize("of_config", [False, True])
async def test_a_layer_or_configuration_that_nests_deep_under_the_tag(attesting: AttestingBench, of_config: bool) -> None:
    attesting.publisher = attesting.publishing(attestation_format="legacy")
    await attesting.publish()
    held, tag = attesting.registry.content.writable(REPOSITORY), legacy_tag(IMAGE.digest, "att")
    assert tag is not None
    digest = digest_of(DEEP)
    held.put_blob(DEEP, digest)
    body = dict(held.manifests[held.tags[tag]].body)
    layer = {"mediaType": ENVELOPE, "digest": digest, "size": len(DEEP)}
    changed = {"config": {**body["config"], **layer}} if of_config else {"layers": [*body["layers"], layer]}
    held.put_manifest(json.dumps(body | changed).encode(), OCI_MANIFEST, tag)
    await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.outcomes(IMAGE.digest) == ["fail"]
    assert [each["digest"] for each in await attesting.stranger.att(IMAGE.digest)] == ([] if of_config else [digest])


async def test_too_many_bundles_keep_no_layer(attesting: AttestingBench) -> None:
    """What is under the tag is removed although nobody looks at all of the list; what may stand is said with what failed."""
    attesting.publisher = attesting.publishing(attestation_format="legacy")
    await attesting.publish()
    junk = [attached(IMAGE, BUNDLE, b"%d" % number) for number in range(101)]
    for each in junk:
        put_image(attesting.registry, REPOSITORY, each)
    attesting.put_fallback(*({"mediaType": OCI_MANIFEST, "size": len(each.raw), "digest": each.digest} for each in junk))
    with pytest.raises(StandingError, match=r"more, perhaps .too-many-referrers.*besides, too-many-referrers"):
        await attesting.publish(Outcome.FAIL)
    assert await attesting.stranger.att(IMAGE.digest) == []


@API
async def test_what_stands_is_said_although_the_verdict_cannot_be_attached(attesting: AttestingBench) -> None:
    """Of two reasons to look at the image neither hides the other."""
    await attesting.publish()
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    attesting.registry.faults.add(Fault(method="PUT", path=f"/v2/{REPOSITORY}/manifests/.*", status=400, times=99))
    with pytest.raises(StandingError, match=r"attached to it still: sha256:.*; besides, registry-refused: ") as failed:
        await attesting.publish(Outcome.FAIL)
    assert failed.value.reason == "not-removed"


# Each stands in the list beside our bundle, or in an entry: Go reads all of them, and other programs otherwise or not at all.
ODD_FIELDS = {
    "a huge number": '"x":' + "9" * 40,
    "a number of thousands of digits": '"x":' + "9" * 5000,
    "a number beyond floats": '"x":1e999',
    "half a surrogate": '"x":"\\ud800"',
    "a depth that nobody needs": '"x":' + "[" * 500 + "]" * 500,
    "a key twice": '"x":1,"x":2',
    "another spelling": '"ANNOTATIONS":{}',
    "a platform": '"platform":{"os":"linux","architecture":"amd64"}',
}
ODD_LISTS = {
    "an entry that is null": "[null,{entries}]",
    "another spelling of the list": '[],"Manifests":[{entries}]',
    "a second list": '[{entries}],"manifests":[]',
    "more after its end": "[{entries}]}} {{",
    "the type of another list": '[{entries}],"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json"',
    "layers beside it": '[{entries}],"layers":[],"config":{{}}',
}
LIST = '{"schemaVersion":2,"manifests":%s}'


async def plant(bench: AttestingBench, manifests: str) -> None:
    """A list with our entries where `manifests` has `{entries}`."""
    entries = ",".join(json.dumps(each) for each in await bench.stranger.referrers(IMAGE.digest))
    raw = (LIST % manifests.format(entries=entries)).encode()
    held, tag = bench.registry.content.writable(REPOSITORY), fallback_tag(IMAGE.digest)
    digest = digest_of(raw)
    held.manifests[digest] = replace(held.manifests[held.tags[tag]], digest=digest, raw=raw, body={})
    held.tags[tag] = digest


def bundles(bench: AttestingBench) -> int:
    held = bench.registry.content.existing(REPOSITORY)
    return sum(each.body.get("artifactType") == BUNDLE for each in held.manifests.values())


@pytest.mark.parametrize("field", ODD_FIELDS.values(), ids=ODD_FIELDS)
@pytest.mark.parametrize("outcomes", [(Outcome.PASS,), (Outcome.PASS, Outcome.FAIL)])
async def test_a_list_that_programs_read_differently(attesting: AttestingBench, field: str, outcomes: tuple[Outcome, ...]) -> None:
    """What any of them finds by it is removed. It cannot be edited, so that a verdict is not attached, which is loud."""
    await attesting.publish()
    attesting.publisher = attesting.publishing(outcomes=outcomes)
    await plant(
        attesting, f'[{{entries}},{{{{"digest":"{IMAGE.digest}","size":1,{field.replace("{", "{{").replace("}", "}}")}}}}}]'
    )
    with nullcontext() if Outcome.FAIL not in outcomes else pytest.raises(OddListError):
        await attesting.publish(Outcome.FAIL)
    assert bundles(attesting) == 0


@pytest.mark.parametrize("manifests", ODD_LISTS.values(), ids=ODD_LISTS)
async def test_a_list_that_is_none_to_some(attesting: AttestingBench, manifests: str) -> None:
    await attesting.publish()
    attesting.publisher = attesting.publishing(outcomes=(Outcome.PASS,))
    await plant(attesting, manifests)
    await attesting.publish(Outcome.FAIL)
    assert bundles(attesting) == 0


async def test_an_entry_that_calls_ours_something_else(attesting: AttestingBench) -> None:
    """Readers fetch what is listed, whatever its entry calls it."""
    await attesting.publish()
    attesting.put_fallback(*({**each, "artifactType": "x/y"} for each in await attesting.stranger.referrers(IMAGE.digest)))
    await attesting.publish(Outcome.FAIL)
    assert bundles(attesting) == 0


async def test_what_cannot_be_deleted_stands_in_a_list_that_cannot_be_edited(attesting: AttestingBench) -> None:
    await attesting.publish()
    attesting.publisher = attesting.publishing(outcomes=(Outcome.PASS,))
    await plant(attesting, '[{entries},{{"x":1e999}}]')
    attesting.registry.faults.add(Fault(method="DELETE", status=405, times=99))
    with pytest.raises(StandingError, match="permission to delete"):
        await attesting.publish(Outcome.FAIL)


@pytest.mark.parametrize("junk", ["[" * 20_000 + "]" * 20_000, '"' + "x" * 4 * 1024 * 1024 + '"'], ids=["too deep", "too large"])
async def test_a_list_of_which_nobody_can_say_what_is_in_it(attesting: AttestingBench, junk: str) -> None:
    """It may list our bundle, and so that is what is said."""
    await attesting.publish()
    attesting.publisher = attesting.publishing(outcomes=(Outcome.PASS,))
    await plant(attesting, f'[{{entries}}],"x":{junk}')
    with pytest.raises(StandingError, match=r"perhaps .referrers-odd"):
        await attesting.publish(Outcome.FAIL)


async def test_an_image_that_has_the_tag_itself_hides_nothing(attesting: AttestingBench) -> None:
    """A registry that takes the tag for the digest has no list, and nothing is said of it."""
    put_image(attesting.registry, REPOSITORY, IMAGE, fallback_tag(IMAGE.digest))
    attesting.publisher = attesting.publishing(outcomes=(Outcome.PASS,))
    await attesting.publish(Outcome.FAIL)


@pytest.mark.parametrize("switches", [Switches(referrers_api=True, page_size=5)])
async def test_more_pages_than_we_ask_for(attesting: AttestingBench) -> None:
    """Ours are behind them: the registry is asked for those of our type, and what else there may be is said."""
    held = attesting.registry.content.writable(REPOSITORY)
    await attesting.publish()
    for number in range(110):
        put_image(attesting.registry, REPOSITORY, attached(IMAGE, "application/x.junk", b"%d" % number))
    for digest in [digest for digest, each in held.manifests.items() if each.body.get("artifactType") == BUNDLE]:
        held.manifests[digest] = held.manifests.pop(digest)
    with pytest.raises(StandingError, match=r"more, perhaps .too-many-referrers"):
        await attesting.publish(Outcome.FAIL)
    assert bundles(attesting) == 0
    with pytest.raises(TooManyListedError):
        await attesting.publish()
    assert bundles(attesting) == 0
