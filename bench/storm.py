"""A queue that repeats itself, in no order, while everybody is killed: `python bench/storm.py [--by sqs|pubsub|mqtt]`.

    python bench/storm.py [--by mqtt] [--messages 20000] [--images 1000] [--kills 3] [--seed 1]

`watcher run` reads one queue, and a real docker-registry holds the images. Of every image there are several messages: the same one
again, and others with ids of their own. They come shuffled; at random moments the daemon is killed, and once the queue's service.
Afterwards the queue is empty, every id that was ever sent is on disk, and of every image one verdict holds, which is attached once;
else this ends with 1. An image is judged again only where an event of another id, long after the first, was a push of its own.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.endurance import put_image, referrers
from bench.results import Result, told
from tests.doubles.courier import Courier
from tests.doubles.courier_mqtt import MqttCourier
from tests.doubles.courier_pubsub import PubsubCourier
from tests.doubles.courier_sqs import SqsCourier
from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.docker_registry import RunningRegistry, start_docker_registry
from tests.doubles.hooks import envelope, push_event, rows
from watcher.testing.images import BuiltImage, build_image, build_layer

COURIERS: dict[str, Callable[[Path, int], Courier]] = {
    "sqs": lambda directory, seed: SqsCourier(directory, seed=seed),
    "pubsub": lambda directory, _seed: PubsubCourier(directory),
    "mqtt": lambda directory, _seed: MqttCourier(directory),
}
REPOSITORIES = 50
LAYERS = [build_layer({f"app/{number}": str(number) * 2000}) for number in range(40)]
# Of all messages beyond the first of each image: as many are an earlier one again.
REPEATED = 0.5
BATCH = 200
# So much may wait before more is sent: kills then meet messages under way, whatever the service's speed.
BACKLOG = 2000
DRAIN_SECONDS = 1800.0


@dataclass(kw_only=True)
class Storm:
    """Everything in it. `pushed` are repository, image and tag; `ids` those of the events that were sent."""

    courier: Courier
    registry: RunningRegistry
    daemon: RunningDaemon
    choice: random.Random
    pushed: list[tuple[str, BuiltImage, str]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    hurt: Counter[str] = field(default_factory=Counter)
    under_way: list[int] = field(default_factory=list)

    def push(self, images: int) -> None:
        """Each has a digest of its own; some repositories hold many."""
        for number in range(images):
            repository = f"team/app-{number % REPOSITORIES}"
            image = build_image(self.choice.sample(LAYERS, 2), config={"User": "1000", "Labels": {"number": str(number)}})
            put_image(self.registry, repository, image, f"v{number}")
            self.pushed.append((repository, image, f"v{number}"))

    def bodies(self, messages: int) -> Sequence[bytes]:
        """Every image's own message, and what repeats it."""
        known = [self._body(*each) for each in self.pushed]
        while len(known) < messages:
            again = self.choice.random() < REPEATED
            known.append(self.choice.choice(known) if again else self._body(*self.choice.choice(self.pushed)))
        self.choice.shuffle(known)
        return known

    def blow(self, bodies: Sequence[bytes], kills: int) -> None:
        """Send everything, and kill meanwhile: the daemon so often, and the service once."""
        batches = [bodies[start : start + BATCH] for start in range(0, len(bodies), BATCH)]
        whom = [self.kill_daemon] * kills + [self.kill_service]
        when = [self.choice.randrange(len(batches)) for _ in whom]
        for number, batch in enumerate(batches):
            eventually(lambda: self.courier.unsettled() < BACKLOG, seconds=DRAIN_SECONDS, what="the backlog")
            self.courier.publish(*batch)
            for kill in [who for who, moment in zip(whom, when, strict=True) if moment == number]:
                time.sleep(self.choice.uniform(0.0, 0.05))
                self.under_way.append(self.courier.under_way())
                self.hurt[kill.__name__] += 1
                kill()

    def kill_daemon(self) -> None:
        self.daemon.kill()
        self.daemon.start()

    def kill_service(self) -> None:
        self.courier.kill()
        time.sleep(self.choice.uniform(0.0, 2.0))
        self.courier.start()

    def drain(self) -> None:
        """Until nothing waits anywhere."""
        self.daemon.eventually(
            lambda: not self._open() and self.courier.unsettled() == 0,
            seconds=DRAIN_SECONDS,
            what=f"the end: {self._open()} open",
        )

    def wrong(self) -> dict[str, int]:
        """What should not be, by how often it is."""
        judged = self._counted("SELECT repository, digest FROM verdict")
        pushes = self._counted("SELECT repository, digest FROM event WHERE fate = 'accepted'")
        holding = Counter((each["repository"], each["digest"]) for each in self._holding())
        subjects = [(repository, str(image.digest)) for repository, image, _ in self.pushed]
        stored = {row["event_id"] for row in rows(self.daemon, "SELECT event_id FROM event")}
        attached = [referrers(self.registry, repository, image.digest) for repository, image, _ in self.pushed]
        return {
            "ids that are not on disk": len(self.ids - stored),
            "images without a verdict": sum(1 for subject in subjects if not holding[subject]),
            "images of which two verdicts hold": sum(1 for count in holding.values() if count > 1),
            "images judged more often than pushed": sum(1 for subject in subjects if judged[subject] > pushes[subject]),
            "images with nothing attached": attached.count(0),
            "images with more than one verdict attached": sum(1 for count in attached if count > 1),
            "dead letters": len(rows(self.daemon, "SELECT id FROM job WHERE state = 'dead'")),
            "failed publications": len(rows(self.daemon, "SELECT state FROM publication WHERE state = 'failed'")),
            "messages left": self.courier.unsettled(),
        }

    def _body(self, repository: str, image: BuiltImage, tag: str) -> bytes:
        event = push_event(self.registry.host, repository, image, tag)
        event["id"] = str(uuid.UUID(int=self.choice.getrandbits(128)))
        self.ids.add(event["id"])
        return envelope(event)

    def _counted(self, statement: str) -> Counter[tuple[str, str]]:
        return Counter((row["repository"], row["digest"]) for row in rows(self.daemon, statement))

    def _holding(self) -> Iterator[dict[str, Any]]:
        """What is true now, as the API says it."""
        cursor = ""
        while True:
            page = self.daemon.get(f"/api/v1/verdicts?limit=100{cursor}")
            yield from page["verdicts"]
            if not page["next"]:
                return
            cursor = f"&cursor={page['next']}"

    def _open(self) -> int:
        counted = "SELECT count(*) AS n FROM {} WHERE state IN ('waiting', 'leased')"
        return sum(int(rows(self.daemon, counted.format(table))[0]["n"]) for table in ("job", "publication"))


@contextmanager
def storm(by: str, directory: Path, *, seed: int) -> Iterator[Storm]:
    """One that is about to begin."""
    registry = start_docker_registry(directory / "registry")
    courier = COURIERS[by](directory / "courier", seed)
    config = (
        f'registries: [{{host: "{registry.host}"}}]\nsources: [{courier.source(registry.host)}]\npublish: [{{type: referrer}}]\n'
    )
    daemon = RunningDaemon(directory=directory, config=config, environment=dict(courier.environment))
    daemon.start()
    try:
        yield Storm(courier=courier, registry=registry, daemon=daemon, choice=random.Random(seed))
    finally:
        daemon.stop(seconds=30)
        courier.close()
        registry.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--by", choices=sorted(COURIERS), default="mqtt")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, storm(asked.by, Path(folder), seed=asked.seed) as it:
        it.push(asked.images)
        bodies = it.bodies(asked.messages)
        begun = time.monotonic()
        it.blow(bodies, asked.kills)
        blown = time.monotonic()
        it.drain()
        drained = time.monotonic()
        wrong = it.wrong()
        print(f"{asked.by}: {len(bodies)} messages with {len(it.ids)} ids of {len(it.pushed)} images, {dict(it.hurt)}")
        times = f"sent in {blown - begun:.0f} s, drained {drained - blown:.0f} s later"
        print(f"{asked.by}: under way at the kills {it.under_way}; {times}")
        print(f"{asked.by}: {json.dumps(wrong)}")
    what = f"{asked.messages} messages of {asked.by} in disorder, {asked.kills} kills: lost, doubled or given up"
    return told(Result(what=what, unit="images", ours=sum(wrong.values()), most=0))


if __name__ == "__main__":
    sys.exit(main())
