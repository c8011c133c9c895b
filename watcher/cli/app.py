"""The command line: one file per group of commands, one line on stderr per error."""

import gc
import os
import sys
import traceback
from importlib import import_module
from types import ModuleType

import click
from click.shell_completion import CompletionItem

from watcher.cli.options import config_option
from watcher.cli.outlets import outlive_readers, output_lost
from watcher.kit.version import VERSION
from watcher.model.errors import BusyError, ConfigurationError, InvalidReferenceError, WatcherError

# name → (module, attribute, help). Loaded when first used: `watcher scan` should not wait for the web server's imports.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("watcher.cli.run", "run", "Run the daemon."),
    "demo": ("watcher.cli.demo", "demo", "See it work: a registry, four pushes, four verdicts; offline, nothing else needed."),
    "init": ("watcher.cli.init", "init", "Write the shortest useful watcher.yaml."),
    "scan": ("watcher.cli.scan", "scan", "Inspect and judge images without a daemon."),
    "policy": ("watcher.cli.policy", "policy", "Check and test policies."),
    "advisories": ("watcher.cli.advisories", "advisories", "Fetch or import vulnerability data; see how old they are."),
    "verdict": (
        "watcher.cli.verdict",
        "verdict",
        "Show what the store says of an image; check what is attached to it.",
    ),
    "events": ("watcher.cli.events", "events", "Read captured payloads and the inbox."),
    "sweep": ("watcher.cli.sweep", "sweep_now", "Find images without a verdict now."),
    "ledger": ("watcher.cli.ledger", "ledger", "Show what registries hold, minus what has a verdict."),
    "quarantine": ("watcher.cli.quarantine", "quarantine", "See which images are kept from being pulled; let one go."),
    "dead-letters": ("watcher.cli.dead_letters", "dead_letters", "List and replay what could not be processed."),
    "notify": ("watcher.cli.notify", "notify", "Send a sample to one of those who are told of verdicts."),
    "store": ("watcher.cli.store", "store", "Copy the store, see whether it is whole and what is in it."),
    "doctor": ("watcher.cli.doctor", "doctor", "Try every step to registries, sources and publishers; say what is missing."),
    "version": ("watcher.cli.version", "version", "Print which version this is, and what it was built from."),
    "completion": ("watcher.cli.completion", "completion", "Print the script by which a shell completes commands and names."),
    "config": ("watcher.cli.config", "config", "Check the configuration; print its JSON Schema."),
}

EXIT_USAGE = 2
EXIT_UNKNOWN = 3
EXIT_INTERRUPTED = 130  # as shells say it of SIGINT


class _Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(_loaded(module), attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:  # which click looks for among those that are imported
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands are completed without an import of each."""
        named = [CompletionItem(name, help=text) for name, (_, _, text) in COMMANDS.items() if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="watcher")
@config_option
def watcher() -> None:
    """Every image pushed to any of your registries gets a verdict."""


def main() -> None:
    """Run the command line. Exit codes: docs/reference/commands.md."""
    outlive_readers()
    code = _ended()
    if why := output_lost():
        click.echo(f"watcher: standard output cannot be written: {why}", err=True)
        code = EXIT_UNKNOWN  # whoever reads what there is must not take it for all
    sys.exit(code)


def _ended() -> int:
    try:
        ended = watcher(prog_name="watcher", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BusyError as error:
        _complain(error)
        return os.EX_TEMPFAIL
    except (ConfigurationError, InvalidReferenceError) as error:
        _complain(error)
        return EXIT_USAGE
    except WatcherError as error:
        _complain(error)
        return EXIT_UNKNOWN
    except Exception:  # noqa: BLE001  the end of the program: a fault of ours must not look like a verdict
        traceback.print_exc()
        return EXIT_UNKNOWN
    return ended if isinstance(ended, int) else 0


def _loaded(name: str) -> ModuleType:
    """Import it without a look for garbage: what is loaded stays, and going through it again takes a seventh of the time."""
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _complain(error: WatcherError) -> None:
    for line in str(error).splitlines():
        click.echo(f"watcher: {line}", err=True)
