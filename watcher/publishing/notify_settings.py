"""The settings of `notify`."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from watcher.kit.secret import SecretReference
from watcher.publishing.wanted import PeoplePublisherSettings


class NotifyPublisherSettings(PeoplePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="notify"):
    """Tell people, by any of the services that apprise knows: Slack, Teams, mail, PagerDuty and some hundred others."""

    # URLs as apprise writes them, one service each: https://appriseit.com/services/. Each is a destination of its own: the first
    # is called as this entry, the next get its name with -2, -3, …
    urls: Annotated[tuple[SecretReference, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.urls)) < len(self.urls):
            raise ValueError("a URL is listed twice")

    def apart(self) -> Sequence["NotifyPublisherSettings"]:
        """One for each URL. A URL that is added at the end renames none."""
        return [
            msgspec.structs.replace(self, name=self.name if place == 0 else f"{self.name}-{place + 1}", urls=(url,))
            for place, url in enumerate(self.urls)
        ]
