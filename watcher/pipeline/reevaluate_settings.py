"""When images that were judged are judged again."""

import msgspec

from watcher.kit.units import Duration


class ReevaluateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `reevaluate` block. Images are judged from what is stored of them: nothing is asked of a registry."""

    every: Duration = "24h"  # all of them, since days of grace and exceptions end by themselves; 0s means never
    on_policy_change: bool = True  # all of them, when other policies came into force
    on_advisory_change: bool = True  # those that hold a package of which something else is known now
