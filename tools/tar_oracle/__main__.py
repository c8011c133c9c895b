"""Holds the tar walker to Go's archive/tar. Needs Go; the test that reads the recorded archives needs none.

python -m tools.tar_oracle compare [--count 20000] [--seed N]   new archives, of which none may be read otherwise unsaid
python -m tools.tar_oracle record [--count 2500] [--seed N]     writes tests/golden/tar/go.jsonl.xz anew
"""

import argparse
import sys
import time
from collections import Counter

from tools.tar_oracle.archives import archive
from tools.tar_oracle.readings import GOLDEN, asked_of_go, by_go, by_us, difference, record

# What is in memory at once.
_BATCH = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "record"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, help="that of the first archive; each further one has the next")
    arguments = parser.parse_args()
    if arguments.what == "compare":
        compare(arguments.count or 20_000, time.time_ns() if arguments.seed is None else arguments.seed)
    else:
        count, seed = arguments.count or 2500, arguments.seed or 0
        record([archive(each) for each in range(seed, seed + count)])
        print(f"{count} archives in {GOLDEN.stat().st_size} bytes")


def compare(count: int, seed: int) -> None:
    """Ends with 1 when an archive is read otherwise and no damage is found in it."""
    tally: Counter[str] = Counter()
    complaints: Counter[str] = Counter()
    for first in range(seed, seed + count, _BATCH):
        seeds = range(first, min(first + _BATCH, seed + count))
        archives = [archive(each) for each in seeds]
        for each, raw, said in zip(seeds, archives, asked_of_go(archives), strict=True):
            go, ours = by_go(said), by_us(raw)
            tally["refused by Go" if go.damage else "read whole by Go"] += 1
            if wrong := difference(go, ours):
                tally["READ OTHERWISE AND NOT SAID"] += 1
                print(f"seed {each}: {wrong}")
            elif not go.damage and (ours.damage or ours.notes):
                tally["read whole by Go and complained about"] += 1
                complaints.update([ours.damage.partition(" at byte ")[0]] if ours.damage else ours.notes)
    print(f"{count} archives from seed {seed}:")
    for what, number in (*sorted(tally.items()), *(("  " + what, number) for what, number in complaints.most_common())):
        print(f"{number:8} {what}")
    if tally["READ OTHERWISE AND NOT SAID"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
