"""Where vulnerability data are kept, and where they come from."""

import msgspec

from watcher.kit.units import Duration


class AdvisorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `advisories` block."""

    path: str = "advisories.db"  # beside the configuration; written by `watcher advisories`, and read again when it was replaced
    max_age: Duration = "72h"  # data that are older are stale: what a rule would say of them is then unknown
