"""What all destinations share in the configuration: which verdicts they want, and those that people read, when."""

from collections.abc import Collection
from datetime import time
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from watcher.kit.units import Duration, seconds
from watcher.model.verdict import Outcome

# A signature, chart or SBOM gets a verdict so that its event has an end; nobody wants to be told, least of all a registry that
# would then hold a referrer of a referrer.
DEFAULT_OUTCOMES = (Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN)
# As long as a person is told at all; what lasts longer is a digest.
LONGEST_WINDOW_SECONDS = 900.0
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"


class PublisherSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Which verdicts a destination wants."""

    # Whether what it was told stands there until it is told otherwise: then it hears of every verdict, and does itself what
    # `outcomes` says.
    keeps_state: ClassVar[bool] = False
    # Whether that is taken away when the image is gone: then it is told once more of the standing verdict, with GONE noted.
    lets_go: ClassVar[bool] = False
    # Whether it writes where the image is, so that it can be down for the images of one registry.
    in_registry: ClassVar[bool] = False

    name: str = ""  # what logs, metrics and lists call it; empty: its type
    outcomes: tuple[Outcome, ...] = DEFAULT_OUTCOMES  # verdicts with another outcome are not sent there
    images: tuple[str, ...] = ()  # globs over `HOST/REPOSITORY`; verdicts of other images are not sent there. Empty: all

    def __post_init__(self) -> None:
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.__struct_config__.tag)

    @property
    def renews(self) -> Collection[Outcome]:
        """Outcomes that it is told of with every judgement, whether or not that says anything new."""
        return ()


class MessagePublisherSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A destination that is told of verdicts, where a referrer is a verdict."""

    # `changed`: only a verdict that differs from the one before it of the same image, in outcome or findings. That an image has
    # left the outcomes listed is told as well.
    when: Literal["always", "changed"] = "always"
    owners: tuple[str, ...] = ()  # only verdicts of images of these owners, by `owners` of the configuration. Empty: of all
    unowned: bool = False  # verdicts of images that have no owner, or one that no publisher names: none of them gets lost
    # An expression of CEL over the verdict: `environment == "production" && findings.exists(f, f.category == "security")`. A
    # verdict that it is false for is not sent; one that it fails for is.
    filter: str = ""


class PeoplePublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A destination that people read. What waits for it goes together, by what it has in common."""

    # People read what they have to do something about, and once.
    outcomes: tuple[Outcome, ...] = (Outcome.FAIL, Outcome.UNKNOWN)
    when: Literal["always", "changed"] = "changed"
    window: Duration = "5s"  # how long the first verdict waits for others that go with it, 15m at most
    # The same for a verdict that no push led to, but other policies or data: everything they have changed is one message.
    window_reevaluated: Duration = "5m"
    per_hour: Annotated[int, msgspec.Meta(ge=1)] | None = 30  # messages; what is more than that comes in one. None: any number
    quiet_hours: Annotated[str, msgspec.Meta(pattern=rf"^({_HOUR}-{_HOUR})?$")] = ""  # `22:00-07:00`: nothing is sent then
    quiet_days: tuple[Weekday, ...] = WEEKDAYS  # the days on which quiet hours begin
    digest: Annotated[str, msgspec.Meta(pattern=rf"^({_HOUR})?$")] = ""  # `09:00`: one message a day, at this time
    timezone: str = "UTC"  # of these times, as `Europe/Berlin`

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(seconds(self.window), seconds(self.window_reevaluated)) > LONGEST_WINDOW_SECONDS:
            raise ValueError("a window is 15m at most; `digest` is for what is to wait longer")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"timezone {self.timezone!r:.60} is not known") from error

    @property
    def digest_at(self) -> time | None:
        """When everything is sent."""
        return time.fromisoformat(self.digest) if self.digest else None

    @property
    def quiet(self) -> tuple[time, time] | None:
        """From when until when nothing is sent."""
        begins, _, ends = self.quiet_hours.partition("-")
        return (time.fromisoformat(begins), time.fromisoformat(ends)) if self.quiet_hours else None
