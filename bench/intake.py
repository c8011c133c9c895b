"""Durable intake by each way that messages come, against the least that can be done with them: same load, in turns, in one run.

    python bench/intake.py [--by webhook sqs pubsub mqtt] [--rounds 3] [--messages 20000] [--directory DIR]

Each side is a process of its own, and so is what sends. Bare acknowledges at once and stores nothing: that is the limit of the
sender's side. Durable is the daemon's own source and intake, with a commit to SQLite (WAL, synchronous FULL) before a message is
acknowledged. Afterwards the rows on disk are counted against the messages. The goal of a webhook is 0.4 of the bare handler; that
of a queue 2000 messages a second, or the limit where that is less. The exit code is 1 when one is missed.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench import intake_mqtt, intake_pubsub, intake_sqs, intake_webhook
from bench.intake_turns import Goal, Options, Way, compare, queue_goal
from bench.results import told

WAYS: dict[str, tuple[Way, Goal]] = {
    "webhook": (intake_webhook, intake_webhook.goal),
    "sqs": (intake_sqs, queue_goal),
    "pubsub": (intake_pubsub, queue_goal),
    "mqtt": (intake_mqtt, queue_goal),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--by", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, help="where the databases are written; it should be a disk, not memory")
    parser.add_argument("--messages", type=int, default=20_000, help="of a queue, in each round")
    parser.add_argument("--receivers", type=int, default=2, help="threads that poll SQS")
    parser.add_argument("--exactly-once", action="store_true", help="of the Pub/Sub subscription")
    parser.add_argument("--seconds", type=int, default=5, help="of a webhook's round")
    parser.add_argument("--connections", type=int, default=64, help="to a webhook")
    parser.add_argument("--client", choices=("wrk", "python"), default="wrk" if shutil.which("wrk") else "python")
    given = vars(parser.parse_args())
    ways, directory = given.pop("by"), given.pop("directory")
    with tempfile.TemporaryDirectory(dir=directory) as name:
        return told(*(result for way in ways for result in compare(way, *WAYS[way], Options(**given), Path(name))))


if __name__ == "__main__":
    sys.exit(main())
