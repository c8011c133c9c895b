"""What all destinations share in the configuration: which verdicts they want."""

from typing import ClassVar, Literal

import msgspec

from watcher.model.verdict import Outcome

# A signature, chart or SBOM gets a verdict so that its event has an end; nobody wants to be told, least of all a registry that
# would then hold a referrer of a referrer.
DEFAULT_OUTCOMES = (Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN)


class PublisherSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Which verdicts a destination wants."""

    # Whether what it was told stands there until it is told otherwise: then it hears of every verdict, and does itself what
    # `outcomes` says.
    keeps_state: ClassVar[bool] = False

    name: str = ""  # what logs, metrics and lists call it; empty: its type
    outcomes: tuple[Outcome, ...] = DEFAULT_OUTCOMES  # verdicts with another outcome are not sent there

    def __post_init__(self) -> None:
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.__struct_config__.tag)


class MessagePublisherSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A destination that is told of verdicts, where a referrer is a verdict."""

    # `changed`: only a verdict that differs from the one before it of the same image, in outcome or findings. That an image has
    # left the outcomes listed is told as well.
    when: Literal["always", "changed"] = "always"
