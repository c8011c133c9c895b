"""Where everything durable is kept."""

from pathlib import Path

import msgspec

from watcher.kit.secret import resolve
from watcher.kit.units import Duration, seconds
from watcher.model.errors import ConfigurationError

LEAST_KEPT_SECONDS = 8 * 86400.0


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` is `sqlite:///PATH` (four slashes for an absolute path), or `env:NAME` of a variable that holds such a URL."""

    url: str = "sqlite:///watcher.db"  # beside the process, which a container mounts as its one volume
    keep_events: Duration = "30d"  # the inbox and jobs that are done; 8d at least, since senders repeat themselves for a week
    keep_verdicts: Duration = "400d"  # those that a newer one replaced, 8d at least; the newest of each image stays for ever

    def __post_init__(self) -> None:
        for name, kept in (("keep_events", self.keep_events), ("keep_verdicts", self.keep_verdicts)):
            if seconds(kept) < LEAST_KEPT_SECONDS:
                raise ValueError(f"{name}: {kept} is less than 8d, for which a delivery may still come again")

    def sqlite_path(self) -> Path:
        """The file that `url` names.

        Raises:
            ConfigurationError: not the URL of a SQLite file. The text does not repeat it: such URLs can hold a password.
        """
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        text = resolve(self.url).reveal() if self.url.startswith("env:") else self.url
        try:
            url = make_url(text)
        except ArgumentError as error:
            raise ConfigurationError("store.url: expected sqlite:///PATH or env:NAME") from error
        if url.get_backend_name() != "sqlite":
            raise ConfigurationError(f"store.url: {url.get_backend_name()} is not supported by this version; use sqlite:///PATH")
        if url.database in {None, "", ":memory:"} or "\0" in str(url.database) or url.query or url.host:
            raise ConfigurationError("store.url: expected sqlite:///PATH with the path of a file, nothing else")
        return Path(str(url.database))
