"""What publishers share in the configuration, and the settings of each."""

from typing import Annotated, Literal

import msgspec

from watcher.kit.secret import SecretReference
from watcher.model.verdict import Outcome

# A signature, chart or SBOM gets a verdict so that its event has an end; nobody wants to be told, least of all a registry that
# would then hold a referrer of a referrer.
DEFAULT_OUTCOMES = (Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN)


class PublisherSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Which verdicts a destination wants."""

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


class ReferrerPublisherSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="referrer"):
    """Attach the verdict to the image, in its registry."""

    # The image's SBOM is attached as well, a second referrer: CycloneDX 1.6 or SPDX 2.3.
    sbom: Literal["cyclonedx", "spdx"] | None = None


class WebhookPublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webhook"):
    """POST a CloudEvent, signed as Standard Webhooks says when there is a secret."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://.+")]
    secret: SecretReference | None = None
    # Signs as well, while `secret` replaces it: a receiver takes either signature. Take it away once all receivers know `secret`.
    former_secret: SecretReference | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.former_secret is not None and self.secret is None:
            raise ValueError("former_secret is of no use without a secret")


class LogPublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log"):
    """Write one line per verdict to our own log."""


AnyPublisherSettings = ReferrerPublisherSettings | WebhookPublisherSettings | LogPublisherSettings
