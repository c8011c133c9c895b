"""Pushes, retags and deletes whose events come late, several times and in any order, beside a daemon that is killed.

    python bench/disorder.py [--events 50000] [--images 3000] [--kills 6] [--seed 1]

`watcher run` hears by webhook of a registry in this process. Every image is in one repository or two, every tenth in two indexes;
tags are few, so they move. An event may be overtaken by hundreds of others, and comes several times, by its own id or by another.
At random moments the daemon is killed. Afterwards what the registry has, by tag or without, is compared with what the store says;
ends with 1 where anything is lost, doubled or at the wrong place.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bench.results import Result, told
from tests.doubles.daemon import RunningDaemon
from tests.doubles.disorder import Disorder, Event, World, present, tagged
from tests.doubles.hooks import deliver, envelope, rows
from tests.doubles.served_registry import ServedRegistry

REPOSITORIES = 40
TAGS = 30
SPREAD = 500
TOGETHER = 50
# So much may wait before more is told: else everything would be judged after all had happened.
BACKLOG = 300
DRAIN_SECONDS = 1200.0
# Six evaluations of one image within ten minutes are a loop: a tag that is new to it waits for ten minutes, which nobody does here.
OPEN = "SELECT count(*) AS n FROM job WHERE state IN ('waiting', 'leased') AND reason <> 'suppressed'"
HELD = "SELECT repository, digest, tags FROM job WHERE state = 'waiting' AND reason = 'suppressed'"
LEADS = """SELECT DISTINCT repository, tag, digest FROM reference JOIN image ON image.id = image_id WHERE leads AND tag <> ''"""


class Blobs(Counter[str]):
    """In place of the requests that a registry keeps: how often each blob was fetched."""

    def append(self, seen: Any) -> None:
        kind, _, digest = seen.path.rpartition("/")
        if seen.method == "GET" and kind.endswith("/blobs"):
            self[digest] += 1


@dataclass(kw_only=True)
class Bench:
    registry: ServedRegistry
    daemon: RunningDaemon
    world: World
    disorder: Disorder
    choice: random.Random
    blobs: Blobs = field(default_factory=Blobs)
    steps: Counter[str] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    told: int = 0
    killed: int = 0

    def happen(self, kills: int) -> None:
        """Everything that happens to the registry, told as it comes, with so many kills in between."""
        steps = list(self.world.steps())
        moments = Counter(self.choice.randrange(len(steps)) for _ in range(kills))
        for number, step in enumerate(steps):
            self.registry.ask(step.apply)
            self.steps[step.what] += 1
            self.disorder.send(step.told)
            self.tell(self.disorder.arrived())
            for _ in range(moments[number]):
                self.kill()
        self.tell(self.disorder.rest())

    def tell(self, events: Iterator[Event]) -> None:
        while batch := list(islice(events, TOGETHER)):
            self.daemon.eventually(lambda: self.open() < BACKLOG, seconds=DRAIN_SECONDS, what="room")
            status, _ = deliver(self.daemon, envelope(*batch))
            assert status == 202, status
            self.ids |= {event["id"] for event in batch}
            self.told += len(batch)

    def kill(self) -> None:
        self.killed += 1
        self.daemon.kill()
        self.daemon.start()

    def open(self) -> int:
        return int(rows(self.daemon, OPEN)[0]["n"])

    def held(self) -> set[tuple[str, str]]:
        """(repository, tag or digest) of what the loop breaker holds: not known yet, and known nowhere else."""
        return {(row["repository"], name) for row in rows(self.daemon, HELD) for name in (row["digest"], *row["tags"].split())}

    def current(self) -> Counter[tuple[str, str]]:
        """What is true now, as the API says it: how many verdicts of each (repository, digest)."""
        found, cursor = Counter[tuple[str, str]](), ""
        while True:
            page = self.daemon.get(f"/api/v1/verdicts?limit=100{cursor}")
            found.update((each["repository"], each["digest"]) for each in page["verdicts"])
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"

    def wrong(self) -> dict[str, int]:
        """What should not be, by how often it is."""
        there, tags, current, held = self.registry.ask(present), self.registry.ask(tagged), self.current(), self.held()
        leads = {((row["repository"], row["tag"]), row["digest"]) for row in rows(self.daemon, LEADS)}
        heard = {row["event_id"] for row in rows(self.daemon, "SELECT event_id FROM event")}
        return {
            "ids that are not on disk": len(self.ids - heard),
            "images without a verdict": len(there - current.keys() - held),
            "images of which two verdicts hold": sum(1 for count in current.values() if count > 1),
            "verdicts of images that are not there": len(current.keys() - there),
            "tags that are not known": sum(1 for place, _ in tags.items() - leads if place not in held),
            "tags known at another image": len(leads - tags.items()),
            "dead letters": len(rows(self.daemon, "SELECT id FROM job WHERE state = 'dead'")),
        }

    def counts(self) -> str:
        jobs = rows(self.daemon, "SELECT count(*) AS n, count(DISTINCT subject) AS subjects FROM job")[0]
        verdicts = rows(self.daemon, "SELECT count(*) AS n, count(DISTINCT digest) AS digests FROM verdict")[0]
        layers = self.registry.ask(lambda _: Counter(self.blobs[layer] for layer in self.world.layers))
        fetched = ", ".join(f"{count} fetched {times}x" for times, count in sorted(layers.items()))
        return (
            f"{jobs['n']} jobs about {jobs['subjects']} subjects, {verdicts['n']} verdicts of {verdicts['digests']} digests, "
            f"{len(self.held())} names wait as loops; layers: {fetched}"
        )


@contextmanager
def bench(folder: Path, *, images: int, more: float, seed: int) -> Iterator[Bench]:
    registry, choice = ServedRegistry(), random.Random(seed)
    world = World(host=registry.host, choice=choice, images=images, repositories=REPOSITORIES, tags=TAGS)
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
    )
    daemon = RunningDaemon(directory=folder, config=config)
    it = Bench(registry=registry, daemon=daemon, world=world, disorder=Disorder(choice, spread=SPREAD, more=more), choice=choice)
    registry.ask(lambda served: setattr(served, "seen", it.blobs))
    daemon.start()
    try:
        yield it
    finally:
        daemon.stop(seconds=30)
        registry.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    # So many are told of an image when each comes once: of its pushes in one or two repositories, of its tags and of its children.
    more = max(asked.events / (asked.images * 3.77) - 1, 0.0)
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder), images=asked.images, more=more, seed=asked.seed) as it:
        begun = time.monotonic()
        it.happen(asked.kills)
        happened = time.monotonic()
        it.daemon.eventually(lambda: not it.open(), seconds=DRAIN_SECONDS, what="the end")
        drained = time.monotonic()
        wrong = it.wrong()
        print(f"{it.told} events with {len(it.ids)} ids of {dict(it.steps)}, {it.killed} kills")
        print(f"told in {happened - begun:.0f} s, drained {drained - happened:.0f} s later; {it.counts()}")
        print(json.dumps(wrong))
    what = f"{asked.events} events in disorder, {asked.kills} kills: lost, doubled or misplaced"
    return told(Result(what=what, unit="images", ours=sum(wrong.values()), most=0))


if __name__ == "__main__":
    sys.exit(main())
