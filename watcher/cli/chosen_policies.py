"""Which policies a command is about."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from watcher.cli.options import config_folder
from watcher.evaluation.policies.loading import PolicySources, load_policies, load_settings
from watcher.evaluation.settings import PolicySettings

DEFAULT_PACKS = ("baseline",)


def chosen_policies(settings: PolicySettings, packs: Sequence[str], paths: Sequence[Path]) -> PolicySources:
    """The configured policies, or those that `--pack` and `--policy` put in their place.

    Lists of the configuration stay in force for the packs that have them: a policy tried beside them must not lift them.

    Raises:
        PolicyError: one `file:line:column: what` a line.
    """
    if not packs and not paths:
        return load_settings(settings, beside=config_folder())
    packs = packs or DEFAULT_PACKS
    known = {name for source in load_policies(packs).documents.policies for name in source.lists}
    lists: Mapping[str, Sequence[str]] = {name: entries for name, entries in settings.lists.items() if name in known}
    return load_policies(packs, paths, lists, settings.on_no_match)
