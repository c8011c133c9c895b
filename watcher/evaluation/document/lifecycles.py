"""When distributors end the support of their releases: a table of a certain day, which `tools/distro_lifecycles.py` writes."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files

import msgspec

from watcher.model.first_use import known
from watcher.model.inventory import Distro


class Lifecycles(msgspec.Struct, frozen=True, kw_only=True):
    """`ends` by ID of os-release and release: the last day with support for everybody, None where it is not announced."""

    as_of: date
    rolling: frozenset[str]
    ends: Mapping[str, Mapping[str, date | None]]

    def is_over(self, distro: Distro, now: datetime) -> bool | None:
        """Whether support has ended by then; None for a release that the table does not know.

        Of `9.4` the table may know `9.4` or `9`. What was announced after the day of the table is not in it.
        """
        if distro.id in self.rolling:
            return False
        releases, version = self.ends.get(distro.id, {}), distro.version
        while version and version not in releases:
            version = version.rpartition(".")[0]
        if not version:
            return None
        end = releases[version]
        return end is not None and now.astimezone(UTC).date() > end


@cache
def lifecycles() -> Lifecycles:
    """The table that came with this program."""
    content = files("watcher.evaluation.document").joinpath("lifecycles.json").read_bytes()
    return msgspec.json.decode(content, type=known(Lifecycles))
