"""What a shell completes besides commands and options: names that are shipped, and names of the configuration."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.model.errors import WatcherError

if TYPE_CHECKING:
    from watcher.settings import Settings

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def packs(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from watcher.evaluation.policies.loading import pack_names

    return _begun(pack_names(), incomplete)


def dialects(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from watcher.cli.init_dialects import SETUPS

    return _begun(sorted(SETUPS), incomplete)


def configured(names: "Callable[[Settings], Iterable[str]]") -> Completer:
    """Names of the configuration. Where it is missing or wrong there are none: whoever runs the command is told."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from watcher import settings

        named = context.find_root().meta.get("config")
        try:
            return _begun(names(settings.load(settings.find(named if isinstance(named, Path) else None))), incomplete)
        except (WatcherError, OSError):
            return []

    return complete


registries = configured(lambda settings: (each.host for each in settings.registries))
sources = configured(lambda settings: (each.name for each in settings.sources))
publishers = configured(lambda settings: (each.name for each in settings.publish))
environments = configured(lambda settings: (each.name for each in settings.environments))


def _begun(names: Iterable[str], incomplete: str) -> list[str]:
    return [str(each) for each in names if str(each).startswith(incomplete)]
