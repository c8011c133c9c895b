"""`watcher verdict verify`: what is attached to an image, held against keys."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.doubles.attaching import attached
from tests.doubles.attesting import BUNDLE
from tests.doubles.keys import KeyPair, ed, p256
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.referrer_bench import ARM, IMAGE, INDEX, AttestingBench
from watcher.model.image import OCI_MANIFEST
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Outcome
from watcher.publishing.dsse import signed
from watcher.publishing.signing_key import signing_key
from watcher.publishing.statement import PAYLOAD_TYPE, StatementError, read_summary
from watcher.testing.images import put_image
from watcher.testing.registry import MemoryRegistry

pytestmark = pytest.mark.enable_socket

# Seldom far enough from the end of a second for anybody to notice.
NOW = datetime.now(UTC).replace(microsecond=0)
Does = Callable[[AttestingBench], Any]


@pytest.fixture
def pair(tmp_path: Path) -> KeyPair:
    return p256(tmp_path)


@pytest.fixture
def watched(registry: MemoryRegistry, pair: KeyPair, tmp_path: Path) -> Callable[[Does], None]:
    """`watched(lambda bench: …)`: what a daemon, or a stranger, did there before."""

    def run(does: Does) -> None:
        async def act() -> None:
            async with publisher_context(tmp_path / "w.db") as context:
                await does(AttestingBench(registry=registry, context=context, pair=pair))

        with capture_logs():
            asyncio.run(act())

    return run


@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_what_passed_is_verified(
    watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair, form: str
) -> None:
    """Attestation and verdict, by tag or digest, without a configuration."""
    watched(lambda bench: bench.publishing(attestation_format=form).publish(bench.verdict(evaluated_at=NOW), Notes()))
    for named in (f"{registry.host}/team/app:v1", f"{registry.host}/team/app@{IMAGE.digest}"):
        ended = watcher("verdict", "verify", named, "--key", pair.public, "--max-age", "1h")
        assert (ended.code, ended.err) == (0, "")
        *found, last = ended.out.splitlines()
        assert {line.split()[0] for line in found} == {"verified"}
        assert {line.split()[1] for line in found} == {"verdict", form}
        assert last == f"{registry.host}/team/app@{IMAGE.digest}: verified as pass"


def test_as_json(watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair) -> None:
    watched(lambda bench: bench.publish(evaluated_at=NOW))
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", pair.public, "-o", "json")
    said = json.loads(ended.out)
    assert (said["outcome"], said["digest"], len(said["found"])) == ("pass", IMAGE.digest, 2)
    (bundle,) = (each for each in said["found"] if each["form"] == "bundle")
    assert (bundle["verified"], bundle["problem"], bundle["key"]) == (True, None, str(pair.public))
    assert (bundle["verifier"], bundle["outcome"]) == ("urn:registry-watcher", "pass")


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.PASS, 0), (Outcome.WARN, 0), (Outcome.FAIL, 1), (Outcome.UNKNOWN, 3)])
def test_the_exit_code_is_that_of_the_outcome(
    watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair, outcome: Outcome, code: int
) -> None:
    watched(lambda bench: bench.publish(outcome))
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", pair.public)
    assert (ended.code, ended.out.splitlines()[-1].partition(": ")[2]) == (code, f"verified as {outcome.value}")


def test_any_of_several_keys(
    watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair, tmp_path: Path
) -> None:
    """While keys are changed what either has signed counts; by the other alone nothing does."""
    newer = ed(tmp_path, "newer")
    watched(lambda bench: bench.publishing(newer).publish(bench.verdict(), Notes()))
    image = f"{registry.host}/team/app:v1"
    both = watcher("verdict", "verify", image, "--key", pair.public, "--key", newer.public)
    assert (both.code, both.out.count(f"by {newer.public}")) == (0, 2)
    older = watcher("verdict", "verify", image, "--key", pair.public)
    assert (older.code, older.out.count("signed by none of the keys given")) == (3, 2)
    assert older.out.endswith("nothing verified\n")


def test_what_is_too_old_does_not_count(
    watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair
) -> None:
    """Nor does what is dated ahead, which would be young for ever."""
    image = f"{registry.host}/team/app:v1"
    watched(lambda bench: bench.publish(evaluated_at=NOW - timedelta(days=2)))
    assert watcher("verdict", "verify", image, "--key", pair.public).code == 0
    old = watcher("verdict", "verify", image, "--key", pair.public, "--max-age", "1d")
    assert (old.code, old.out.count("too old")) == (3, 2)
    watched(lambda bench: bench.publish(evaluated_at=NOW + timedelta(days=2)))
    assert "dated in the future" in watcher("verdict", "verify", image, "--key", pair.public).out


def test_the_newest_counts(watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair) -> None:
    """An attestation of before that somebody has attached again does not hide that the image failed."""
    kept: list[dict[str, Any]] = []

    async def replayed(bench: AttestingBench) -> None:
        await bench.publish(evaluated_at=NOW - timedelta(hours=2))
        kept.extend(await bench.stranger.bundles(IMAGE.digest))
        await bench.publish(Outcome.FAIL, evaluated_at=NOW - timedelta(hours=1))
        await bench.stranger.attach_bundle(IMAGE, kept[0], {})

    watched(replayed)
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", pair.public)
    assert ended.code == 1
    assert ended.out.count("verified") == 3


def test_what_is_about_something_else_does_not_count(
    watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair
) -> None:
    """Copied to another image or repository, or signed by the same key for another purpose, or not signed at all."""
    other = RepositoryName("prod/app")
    put_image(registry, other, IMAGE, "v1")

    async def copied(bench: AttestingBench) -> None:
        await bench.publish()
        (bundle,) = await bench.stranger.bundles(IMAGE.digest)
        await bench.stranger.attach_bundle(ARM, bundle, {})
        envelope = json.loads(signed(b'{"_type": "x"}', PAYLOAD_TYPE, signing_key(pair.reference)))
        for wrong in (envelope, envelope | {"payloadType": "text/plain"}, {"payload": ""}):
            await bench.stranger.attach_bundle(ARM, {"mediaType": BUNDLE, "dsseEnvelope": wrong}, {})
        await bench.publishing(sign_with=None, attest=()).publish(bench.verdict(image=ARM), Notes())
        moved = type(bench.stranger)(host=registry.host, repository=other)
        await moved.attach_bundle(IMAGE, bundle, {})

    watched(copied)
    ended = watcher("verdict", "verify", f"{registry.host}/team/app@{ARM.digest}", "--key", pair.public)
    assert ended.code == 3
    assert "nothing verified" in ended.out
    for problem in ("about another image", "no in-toto statement", "signed by none of the keys given", "no DSSE", "not signed"):
        assert problem in ended.out
    elsewhere = watcher("verdict", "verify", f"{registry.host}/prod/app:v1", "--key", pair.public)
    assert (elsewhere.code, f"about '{registry.host}/team/app', not {registry.host}/prod/app" in elsewhere.out) == (3, True)


def test_a_bundle_that_nests_deep_is_refused_beside_the_others(
    watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair
) -> None:
    """Whoever may push attaches what he likes, and ends nothing by it."""

    async def junk(bench: AttestingBench) -> None:
        bundle = attached(IMAGE, BUNDLE, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        put_image(registry, RepositoryName("team/app"), bundle)
        entry = {"mediaType": OCI_MANIFEST, "digest": bundle.digest, "size": len(bundle.raw), "artifactType": BUNDLE}
        await bench.publish()
        bench.put_fallback(entry, *await bench.stranger.referrers(IMAGE.digest))

    watched(junk)
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:v1", "--key", pair.public)
    assert (ended.code, "nested too deep" in ended.out, "verified as pass" in ended.out) == (0, True, True)


def test_an_index_is_verified_by_its_own_digest(
    watcher: Any, watched: Callable[[Does], None], registry: MemoryRegistry, pair: KeyPair
) -> None:
    watched(lambda bench: bench.publish(image=INDEX))
    ended = watcher("verdict", "verify", f"{registry.host}/team/app:multi", "--key", pair.public)
    assert (ended.code, f"@{INDEX.digest}: verified as pass" in ended.out) == (0, True)


def test_what_cannot_be_asked(watcher: Any, registry: MemoryRegistry, pair: KeyPair) -> None:
    """Usage is 2, an image that is not there is 3; a private key is none to check with."""
    image = f"{registry.host}/team/app:none"
    assert watcher("verdict", "verify", image).code == 2
    assert watcher("verdict", "verify", image, "--key", pair.public, "--max-age", "soon").code == 2
    assert watcher("verdict", "verify", "oci:somewhere", "--key", pair.public).code == 2
    private = watcher("verdict", "verify", image, "--key", pair.private)
    assert (private.code, "a private key" in private.err) == (2, True)
    missing = watcher("verdict", "verify", image, "--key", pair.public)
    assert (missing.code, "no such image" in missing.err) == (3, True)


def test_only_a_summary_is_read_as_one() -> None:
    with pytest.raises(StatementError, match="of type"):
        read_summary(b'{"_type": "https://in-toto.io/Statement/v0.1", "subject": [], "predicateType": "x"}')
