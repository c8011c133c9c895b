"""`watcher completion SHELL`: the script by which a shell completes what is typed."""

import click
from click.shell_completion import get_completion_class

from watcher.cli.options import config_option

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@config_option
def completion(shell: str) -> None:
    r"""Print a script that completes commands, options and names of the configuration.

    \b
    bash  source <(watcher completion bash)     in ~/.bashrc
    zsh   source <(watcher completion zsh)      in ~/.zshrc, after compinit
    fish  watcher completion fish > ~/.config/fish/completions/watcher.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # click has all of SHELLS
    click.echo(found(click.get_current_context().find_root().command, {}, "watcher", "_WATCHER_COMPLETE").source())
