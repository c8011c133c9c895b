"""What all sources share in the configuration."""

import msgspec

from watcher.dialects.generic import GenericMapping


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose events these are."""

    name: str = ""  # empty: the dialect's, or `sweep`
    registry: str = ""  # the host under `registries` or any other; empty: the only one there


class EventSourceSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source whose events somebody else writes."""

    dialect: str = "distribution"  # how the sender writes its events; never guessed from them
    # Other host names that clients push to this registry under, as a proxy or a container network has them; "*" for any. An
    # event that names a host which is neither the registry's nor listed here is rejected.
    aliases: tuple[str, ...] = ()
    mapping: GenericMapping | None = None  # where the fields are, for the dialect `generic`
