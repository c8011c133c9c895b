"""Which policies apply."""

from typing import Literal

import msgspec

OnNoMatch = Literal["fail", "unknown", "warn", "pass"]


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `policies` block."""

    # Policies shipped with this program, by name. Nothing of a pack that is not named here applies.
    packs: tuple[str, ...] = ("baseline",)
    # A file or a folder with documents of your own; of a folder every `.yaml` and `.yml` file is read. Relative to this file.
    path: str | None = None
    # In place of the list of that name in the packs. A name that no pack has is an error, since it is most likely misspelt.
    lists: dict[str, tuple[str, ...]] = {}
    # What becomes of an image that no policy matches: fail, so that a narrow `match` lets nothing slip through.
    on_no_match: OnNoMatch = "fail"

    @property
    def trusted_bases(self) -> tuple[str, ...]:
        """Globs of the images that others may be built on, as the list of that name has them; empty without it."""
        return self.lists.get("trusted_bases", ())
