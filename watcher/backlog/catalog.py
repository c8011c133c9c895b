"""Which backlog goes with which kind of store: the part of `store.url` before the colon."""

from collections.abc import Mapping

from watcher.backlog.sqlite import SqliteBacklog

BACKLOGS: Mapping[str, type[SqliteBacklog]] = {"sqlite": SqliteBacklog}
