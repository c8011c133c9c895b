"""What all publishers share: which verdicts a destination wants."""

from typing import Annotated

import msgspec

from watcher.kit.secret import SecretReference
from watcher.model.verdict import Outcome

# A signature, chart or SBOM gets a verdict so that its event has an end; nobody wants to be told, least of all a registry that
# would then hold a referrer of a referrer.
DEFAULT_OUTCOMES = (Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN)


class ReferrerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="referrer"):
    """Attach the verdict to the image, in its registry."""

    name: str = "referrer"
    outcomes: tuple[Outcome, ...] = DEFAULT_OUTCOMES


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"):
    """POST a CloudEvent, signed as Standard Webhooks says when there is a secret."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://.+")]
    secret: SecretReference | None = None
    name: str = "webhook"
    outcomes: tuple[Outcome, ...] = DEFAULT_OUTCOMES


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="log"):
    """Write one line per verdict to our own log."""

    name: str = "log"
    outcomes: tuple[Outcome, ...] = DEFAULT_OUTCOMES


PublisherSettings = ReferrerSettings | WebhookSettings | LogSettings
