"""`/api/v1/ledger` over a real store."""

from pathlib import Path

import pytest

from tests.doubles.api import RunningApi, running_api
from tests.doubles.verdicts import IMAGE, MOMENT, SUBJECT
from watcher.model.digest import Digest
from watcher.model.holding import Holding, Look
from watcher.model.reference import RepositoryName, Tag
from watcher.store.holdings import StoredHoldings

pytestmark = pytest.mark.enable_socket

OTHER = Digest(f"sha256:{'a' * 64}")
IMAGES = f"/api/v1/ledger/images?registry={SUBJECT.registry}&repository={SUBJECT.repository}"


async def seen(api: RunningApi, repository: RepositoryName = SUBJECT.repository) -> None:
    came = [Holding(digest=IMAGE, tag=Tag("v1")), Holding(digest=OTHER, tag=Tag("v2"))]
    await StoredHoldings(api.database).looked(
        Look(registry=SUBJECT.registry, repository=repository, by="catch-up", at=MOMENT, came=came)
    )


async def test_the_ledger_is_told_by_repository_and_image(tmp_path: Path) -> None:
    """With cursors, and by state."""
    async with running_api(tmp_path) as api:
        assert await api.get("/api/v1/ledger") == (200, {"repositories": [], "next": None})
        await seen(api)
        await seen(api, RepositoryName("team/web"))
        await api.record(policy_revision=api.evaluator.revision)
        status, first = await api.get("/api/v1/ledger?limit=1")
        assert (status, first["next"]) == (200, f"{SUBJECT.registry}/team/app")
        assert first["repositories"] == [
            {
                "registry": SUBJECT.registry,
                "repository": "team/app",
                "looked_at": "2026-11-25T10:00:00Z",
                "images": 2,
                "judged": 1,
                "outdated": 0,
                "waiting": 1,
                "cannot": 0,
                "without_verdict": 1,
                "problem": None,
            }
        ]
        _, rest = await api.get(f"/api/v1/ledger?cursor={first['next']}&registry={SUBJECT.registry}")
        assert [each["repository"] for each in rest["repositories"]] == ["team/web"]
        _, images = await api.get(f"{IMAGES}&limit=1")
        assert (images["images"][0]["state"], images["images"][0]["outcome"], images["next"]) == ("judged", "fail", IMAGE)
        _, more = await api.get(f"{IMAGES}&cursor={images['next']}")
        assert [(each["digest"], each["tags"], each["state"]) for each in more["images"]] == [(OTHER, ["v2"], "waiting")]
        assert (await api.get(f"{IMAGES}&state=cannot"))[1] == {"images": [], "next": None}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/ledger?cursor=nonsense", "cursor"),
        ("/api/v1/ledger?registry=no%20host", "no host"),
        ("/api/v1/ledger/images", "registry and repository are needed"),
        (f"/api/v1/ledger/images?registry={SUBJECT.registry}", "registry and repository are needed"),
        (f"{IMAGES}&state=lost", "judged, outdated, waiting, cannot"),
    ],
)
async def test_a_question_that_cannot_be_read_is_refused(tmp_path: Path, path: str, said: str) -> None:
    """With what is wrong."""
    async with running_api(tmp_path) as api:
        status, body = await api.get(path)
        assert (status, said in body["title"] + body.get("detail", "")) == (400, True)


async def test_when_a_registry_was_looked_through_is_told(tmp_path: Path) -> None:
    """Of every configured one, with what could not be read."""
    async with running_api(tmp_path) as api:
        holdings = StoredHoldings(api.database)
        await holdings.begin("catch-up", SUBJECT.registry, "a", MOMENT)
        await holdings.end("catch-up", MOMENT, ["the catalogue: 403"])
        status, body = await api.get("/api/v1/ledger/registries")
        assert (status, body["registries"]) == (
            200,
            [
                {"registry": "localhost:5000", "looked_through_at": None, "problems": []},
                {"registry": SUBJECT.registry, "looked_through_at": "2026-11-25T10:00:00Z", "problems": ["the catalogue: 403"]},
            ],
        )
