"""`watcher` and `python -m watcher`."""

import signal
import sys
from collections.abc import Sequence

from watcher.kit.signals import keep


def main() -> None:
    """Run the command line. Exit codes: docs/reference/commands.md."""
    daemon = is_daemon(sys.argv[1:])
    if daemon:
        # Before all that it imports, which takes a second: whoever starts the daemon may signal to it from then on.
        keep(signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    from watcher.cli.app import main as run

    try:
        run()
    finally:
        if daemon:  # Python takes its own handlers away before the process has ended
            signal.signal(signal.SIGHUP, signal.SIG_IGN)


def is_daemon(arguments: Sequence[str]) -> bool:
    """Whether the subcommand is `run`, without what knows the command line: any other has to end when it is told to."""
    words = iter(arguments)
    for word in words:
        if word in {"-c", "--config"}:
            next(words, None)
        elif not word.startswith("-"):
            return word == "run"
    return False


if __name__ == "__main__":
    main()
