"""How much is logged, and in which form."""

from typing import Literal

import msgspec

Level = Literal["debug", "info", "warning", "error"]


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes to stderr. `auto` is columns on a terminal, else one JSON object a line."""

    level: Level = "info"  # `--log-level` of the command line comes first
    format: Literal["auto", "json", "text"] = "auto"  # auto: text on a terminal, else one JSON object a line
