"""Options that every command takes, and what several commands need of the configuration.

Settings know every room there is: they are imported once they are asked for, as `watcher --version` never does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from watcher.settings import Configuration, Settings

Command = TypeVar("Command", bound=Callable[..., Any])

output_option = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
"""What is printed for people is printed for programs, too."""


QUIET, VERBOSE = "quiet", "verbose"


def config_option(command: Command) -> Command:
    """`-c FILE`, `-q` and `-v`, before or after the subcommand; of `-c` the innermost one given wins."""
    for option in (
        click.option("-v", "--verbose", is_flag=True, callback=_keep, expose_value=False, help="Log what is done, on stderr."),
        click.option("-q", "--quiet", is_flag=True, callback=_keep, expose_value=False, help="Print the result and errors alone."),
        click.option(
            "-c",
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            callback=_keep,
            expose_value=False,
            help="Configuration file; else ./watcher.yaml, else /etc/watcher/watcher.yaml.",
        ),
    ):
        command = option(command)
    return command


def _keep(context: click.Context, parameter: click.Parameter, value: Path | bool | None) -> None:
    if not value:
        return
    kept = context.find_root().meta
    kept[parameter.name or ""] = value
    if kept.get(QUIET) and kept.get(VERBOSE):
        raise click.UsageError("--quiet and --verbose contradict each other", context)
    if parameter.name == VERBOSE and not context.resilient_parsing:
        from watcher.kit.telemetry import configure_logging

        configure_logging(level="debug")


def is_quiet() -> bool:
    """Whether only the result and what goes wrong is wanted."""
    return _is_asked(QUIET)


def is_verbose() -> bool:
    """Whether the log is wanted, down to each layer."""
    return _is_asked(VERBOSE)


def _is_asked(name: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().meta.get(name))


def log_level(otherwise: str) -> str:
    """What to log: everything where that was asked for, nothing but errors where quiet was, else what the command says."""
    if is_verbose():
        return "debug"
    return "error" if is_quiet() and otherwise != "critical" else otherwise


def given_config() -> Path | None:
    """The file that was named on the command line."""
    named = click.get_current_context().find_root().meta.get("config")
    return named if isinstance(named, Path) else None


def required_settings() -> "tuple[Path, Settings]":
    """The configuration, for commands that mean nothing without one. Raises ConfigurationError."""
    from watcher import settings

    path = settings.find(given_config())
    return path, _in_force(settings.load(path))


def required_configuration() -> "Configuration":
    """The same, with where each thing stands, for who looks at all of it (`preflight`) before anything else. Raises as well."""
    from watcher import settings

    return settings.read(settings.find(given_config()))


def optional_settings() -> "Settings":
    """The configuration if there is one, else the defaults. A file that was named, or is there and wrong, is an error."""
    from watcher import settings

    named = given_config()
    if named is None and not any(path.is_file() for path in settings.DEFAULT_PATHS):
        return settings.Settings()
    return _in_force(settings.load(settings.find(named)))


def _in_force(settings: "Settings") -> "Settings":
    """What holds for the whole process is done before anything is connected to."""
    from watcher.kit.trust import trust

    trust(settings.ca_file)
    return settings


def optional_configuration() -> "Configuration | None":
    """The configuration where there is one; None where none was named and none is there. Nothing of it holds for us yet."""
    from watcher import settings

    named = given_config()
    if named is None and not any(path.is_file() for path in settings.DEFAULT_PATHS):
        return None
    return settings.read(settings.find(named))


def config_folder() -> Path:
    """Where relative paths of the configuration begin."""
    from watcher.settings import DEFAULT_PATHS

    named = given_config()
    found = [named] if named is not None else [path for path in DEFAULT_PATHS if path.is_file()]
    return found[0].parent if found else Path()
