"""Children of the daemon killed, stopped and starved: `python bench/children.py [--rounds 100]`.

`watcher run`, an image a round, and while its layer is being read one of the processes is struck: the one that workers come from,
the worker, the one that evaluates, or all. Says how each image ended and when, which processes were left behind, and how much
more memory the daemon holds at the end than after the first tenth.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

from bench.results import Result, told
from tests.doubles.children import BLOWS, household, resident_bytes
from tests.doubles.daemon import eventually

HELD_SECONDS = 0.3
ROUND_SECONDS = 120.0
MEBIBYTE = 1024 * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    outcomes, seconds, struck = Counter[str](), dict[str, list[float]](), set()
    with tempfile.TemporaryDirectory() as folder, household(Path(folder)) as house:
        early = 0
        for number, (how, what) in zip(range(rounds), itertools.cycle(BLOWS), strict=False):
            repository = f"round/n{number}"
            house.push(repository, held_seconds=HELD_SECONDS)
            house.daemon.eventually(lambda: house.children("worker"), what="a worker")
            began = time.monotonic()
            for child in house.children(*what):
                struck.add(child)
                child.strike(how)
            outcome = eventually(partial(house.outcome, repository), seconds=ROUND_SECONDS, what=repository)
            name = f"{how} {' '.join(what)}"
            outcomes[f"{name}: {outcome}"] += 1
            seconds.setdefault(name, []).append(time.monotonic() - began)
            if number == rounds // 10:
                early = resident_bytes(house.pid)
        grown = resident_bytes(house.pid) - early
        living = house.children()
        strangers = [each for each in struck if each.lives and each not in living]
    for line, count in sorted(outcomes.items()):
        print(f"{count:4} {line}")
    for name, taken in sorted(seconds.items()):
        print(f"{name}: median {statistics.median(taken):.1f} s, longest {max(taken):.1f} s")
    left = [each for each in struck | {*living} if each.lives]
    print(f"{rounds} rounds: children {sorted(each.what for each in living)}, left behind {strangers}, when it ended {left}")
    undecided = sum(count for line, count in outcomes.items() if ": unknown" in line)
    said = f"{rounds} blows to the daemon's children"
    return told(
        Result(what=f"{said}, images without a decision", unit="images", ours=undecided),
        Result(what=f"{said}, processes left behind", unit="processes", ours=len(strangers) + len(left), most=0),
        Result(what=f"{said}, growth", unit="MiB", ours=grown / MEBIBYTE, against="after a tenth", other=early / MEBIBYTE),
    )


if __name__ == "__main__":
    sys.exit(main())
