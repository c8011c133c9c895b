"""`watcher` and `python -m watcher`."""

from watcher.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
