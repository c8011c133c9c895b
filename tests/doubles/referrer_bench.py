"""A registry in memory, and daemons that attest its images."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.doubles.attesting import REPOSITORY, Stranger
from tests.doubles.databases import opened_beside
from tests.doubles.keys import KeyPair
from tests.doubles.publishing import Notes
from tests.doubles.routes import sending
from tests.doubles.verdicts import MOMENT, a_verdict
from watcher.kit.wakeup import Wakeup
from watcher.model.image import OCI_INDEX
from watcher.model.referrers_tag import fallback_tag
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches

IMAGE = build_image([build_layer({"a": "b"})])
ARM = build_image([build_layer({"a": "c"})], platform="linux/arm64")
INDEX = build_index([IMAGE, ARM])
EVERYWHERE = pytest.mark.parametrize("switches", [Switches(), Switches(referrers_api=True)], ids=["fallback tag", "API"])
FORMS = pytest.mark.parametrize("form", ["bundle", "legacy"])


@dataclass(slots=True, kw_only=True)
class AttestingBench:
    """`publisher` attests what passes; `publishing` makes others on the same store. The images are of no environment."""

    registry: MemoryRegistry
    context: PublisherContext
    pair: KeyPair
    publisher: ReferrerPublisher = field(init=False)

    def __post_init__(self) -> None:
        self.publisher = self.publishing()
        put_image(self.registry, REPOSITORY, IMAGE, "v1")
        put_image(self.registry, REPOSITORY, INDEX, "multi")

    @property
    def stranger(self) -> Stranger:
        return Stranger(host=self.registry.host)

    def publishing(self, pair: KeyPair | None = None, **changes: Any) -> ReferrerPublisher:
        settings = {"sign_with": (pair or self.pair).reference, "attest": ("pass",)} | changes
        return ReferrerPublisher(ReferrerPublisherSettings(**settings), self.context)

    def verdict(self, outcome: Outcome = Outcome.PASS, image: BuiltImage = IMAGE, **changes: Any) -> Verdict:
        verdict = a_verdict(outcome=outcome, findings=(), **changes)
        subject = replace(
            verdict.subject, registry=self.registry.host, repository=REPOSITORY, digest=image.digest, environment=None
        )
        return replace(verdict, subject=subject)

    async def publish(self, outcome: Outcome = Outcome.PASS, image: BuiltImage = IMAGE, **changes: Any) -> None:
        await self.publisher.publish(self.verdict(outcome, image, **changes), Notes())

    def put_fallback(self, *entries: dict[str, Any]) -> None:
        raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}).encode()
        self.registry.content.writable(REPOSITORY).put_manifest(raw, OCI_INDEX, fallback_tag(IMAGE.digest))


async def record(bench: AttestingBench, verdict: Verdict) -> None:
    """As the daemon does before it tells of a verdict."""
    async with opened_beside(bench.pair.private.parent / "w.db") as database:
        recorded = StoredVerdicts(database, lambda: MOMENT, bell=Wakeup())
        await recorded.record([Judged(verdict=verdict, inventory=None)], sending({}))
