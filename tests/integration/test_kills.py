"""kill -9 of the whole daemon at four stages of its work: what was answered 202 has an end, and only one."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.daemon import HOOK_SECRET, Receiver, RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.pushing import attached_verdict
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.notifications import Endpoint
from watcher.testing.ports import free_port

STAGES = ("after-commit", "in-a-layer", "before-publication", "after-the-put")
# The second is there because `after-the-put` is two places in turn; bench/endurance.py kills for hours.
ROUNDS = 2
# The first is held at the stage; the others are wherever the kill finds them.
PUSHES_A_KILL = 3
# Longer than any round: what is held is let go by the kill.
HELD_SECONDS = 60.0
JOB = "SELECT job.id, job.state, verdict.id AS verdict FROM job LEFT JOIN verdict ON verdict_id = job.id WHERE job.repository = ?"
PUBLICATION = """SELECT publication.state FROM publication JOIN verdict USING (verdict_id)
    WHERE repository = ? AND publisher = 'referrer'"""


class Killing:
    """One daemon that is killed again and again, and everything it was ever told."""

    def __init__(self, registry: ServedRegistry, daemon: RunningDaemon, receiver: Receiver) -> None:
        self.registry, self.daemon, self.receiver = registry, daemon, receiver
        self.pushed: dict[str, BuiltImage] = {}
        self.hit: Counter[str] = Counter()

    def image(self, repository: str) -> BuiltImage:
        image = build_image([build_layer({"app/name": repository * 64})], config={"User": "1000"})
        self.registry.put(repository, image)
        self.pushed[repository] = image
        return image

    def kill_at(self, stage: str, number: int) -> None:
        """Push, wait until the first push is at `stage`, kill -9, look at what the disk says, and start again."""
        held = f"team/{stage}-{number}"
        images = {name: self.image(name) for name in [held, *(f"{held}-{index}" for index in range(1, PUSHES_A_KILL))]}
        self.hold(stage, number, held, images[held])
        for name, image in images.items():
            assert deliver(self.daemon, envelope(push_event(self.registry.host, name, image)))[0] == 202
        self.daemon.eventually(lambda: self.reached(stage, number, held, images[held]), what=held)
        self.daemon.kill()
        self.registry.heal()
        if self.confirmed(stage, held, images[held]):
            self.hit[stage] += 1
        self.daemon.start()

    def hold(self, stage: str, number: int, repository: str, image: BuiltImage) -> None:
        where = f"/v2/{repository}"
        match stage:
            case "after-commit":
                self.registry.fault(method="GET", path=f"{where}/manifests/.*", delay_seconds=HELD_SECONDS)
            case "in-a-layer":
                (layer,) = _layers(image)
                self.registry.fault(method="GET", path=f"{where}/blobs/{layer}", stall_seconds=HELD_SECONDS)
            case "before-publication":
                self.registry.fault(method="PUT", path=f"{where}/manifests/.*", times=100, status=503)
            case "after-the-put":
                self.registry.fault(method="PUT", path=self.written(number, repository), stall_seconds=HELD_SECONDS)

    def reached(self, stage: str, number: int, repository: str, image: BuiltImage) -> bool:
        match stage:
            case "after-commit":
                return True  # its 202 is here
            case "in-a-layer":
                (layer,) = _layers(image)
                return self.registry.saw("GET", f"/v2/{repository}/blobs/{layer}")
            case "before-publication":
                return self.registry.saw("PUT", f"/v2/{repository}/manifests/")
            case _:
                if number % 2:
                    return image.digest.replace(":", "-") in self.registry.tags(repository)
                return _referrers(self.registry, repository, image) == 1

    def confirmed(self, stage: str, repository: str, image: BuiltImage) -> bool:
        """Whether what is on disk and in the registry says that the kill came when it was meant to."""
        (job,) = rows(self.daemon, JOB, repository)
        publications = rows(self.daemon, PUBLICATION, repository)
        put = _referrers(self.registry, repository, image)
        if stage in {"after-commit", "in-a-layer"}:
            return job["verdict"] is None and job["state"] in {"waiting", "leased"} and not put
        unpublished = job["verdict"] is not None and [row["state"] for row in publications] == ["leased"]
        return unpublished and put == (stage == "after-the-put")

    def written(self, number: int, repository: str) -> str:
        """In turn: the artefact itself, and the index under the fallback tag."""
        return f"/v2/{repository}/manifests/sha256{'-' if number % 2 else ':'}.*"


def _layers(image: BuiltImage) -> list[str]:
    _config, *layers = image.blobs
    return [str(digest) for digest in layers]


def _referrers(registry: ServedRegistry, repository: str, image: BuiltImage) -> int:
    return sum(1 for body in registry.manifests(repository).values() if body.get("subject", {}).get("digest") == image.digest)


@pytest.fixture
def killing(tmp_path: Path) -> Iterator[Killing]:
    port = free_port()
    headers = {"Authorization": f"Bearer {HOOK_SECRET}"}
    registry = ServedRegistry(Endpoint(url=f"http://127.0.0.1:{port}/hooks/distribution", headers=headers))
    receiver = Receiver()
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        f"publish: [{{type: referrer}}, {{type: webhook, url: '{receiver.url}'}}]\n"
    )
    daemon = RunningDaemon(directory=tmp_path, config=config, port=port)
    daemon.start()
    yield Killing(registry, daemon, receiver)
    assert daemon.stop() == 0
    receiver.close()
    registry.close()


# The many starts take several times as long beside other work.
@pytest.mark.timeout(300)
def test_nothing_answered_202_is_lost_by_kill_9(killing: Killing) -> None:
    """Two kills at each stage: every push ends in one verdict that is published once, and no write of ours is a push."""
    for number in range(ROUNDS):
        for stage in STAGES:
            killing.kill_at(stage, number)
    assert killing.hit == dict.fromkeys(STAGES, ROUNDS)

    daemon, registry = killing.daemon, killing.registry
    open_jobs = "SELECT id FROM job WHERE state IN ('waiting', 'leased')"
    open_publications = "SELECT id FROM publication WHERE state IN ('waiting', 'leased')"
    daemon.eventually(lambda: not rows(daemon, open_jobs) and not rows(daemon, open_publications), what="the end")
    # Its own events too: a registry repeats what it could not deliver until it is taken.
    eventually(lambda: registry.ask(lambda each: each.notifications is not None and each.notifications.pending == 0))

    events = rows(daemon, "SELECT fate, reason, repository, job_id FROM event")
    assert {event["fate"] for event in events} <= {"accepted", "ignored"}
    assert all(event["reason"] for event in events if event["fate"] == "ignored")
    assert any(event["reason"] == "published-by-us" for event in events)
    accepted = {event["job_id"]: event["repository"] for event in events if event["fate"] == "accepted"}
    assert sorted(accepted.values()) == sorted(killing.pushed)
    assert len(killing.pushed) == ROUNDS * len(STAGES) * PUSHES_A_KILL

    jobs = {job["id"]: job for job in rows(daemon, "SELECT id, state, reason FROM job")}
    assert jobs.keys() == accepted.keys()
    assert {job["state"] for job in jobs.values()} == {"done"}
    assert {row["verdict_id"] for row in rows(daemon, "SELECT verdict_id FROM verdict")} == accepted.keys()
    states = Counter(row["state"] for row in rows(daemon, "SELECT state FROM publication"))
    assert states == {"published": 2 * len(accepted)}
    told = Counter(event["data"]["image"]["digest"] for event in killing.receiver.events())
    assert told.keys() == {image.digest for image in killing.pushed.values()}
    by_place = {repository: job_id for job_id, repository in accepted.items()}
    for repository, image in killing.pushed.items():
        attached = attached_verdict(registry.url, repository, image.digest)
        assert attached is not None, repository
        assert _referrers(registry, repository, image) == 1, repository
        assert attached[2]["id"] == by_place[repository]
