"""The settings of publishers that set the status of a commit."""

from string import Formatter
from typing import Annotated, ClassVar

import msgspec

from watcher.kit.secret import SpokenSecretReference
from watcher.publishing.wanted import DEFAULT_OUTCOMES, PublisherSettings

_PLACES = {"registry", "repository", "environment"}


class CommitStatusSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Set the status of the commit that an image says it was built from: its labels `org.opencontainers.image.source`, `.revision`.

    Labels are claims of whoever built the image, so only repositories that are listed are told about.
    """

    keeps_state: ClassVar[bool] = True

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^?#@]+$")]
    token: SpokenSecretReference  # of an account that may set statuses
    # Globs over OWNER/NAME, such as `my-org/*`. Whoever may push an image can set a status at any commit of these.
    repositories: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    # What tells this status from others on the same commit, with `{registry}`, `{repository}` and `{environment}` of the image.
    # Where two images built from one commit have the same, the last verdict stands for both; without the repository, whoever may
    # push one image speaks for all.
    context: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "watcher/{repository}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not set(DEFAULT_OUTCOMES) <= set(self.outcomes):
            raise ValueError("outcomes: a status stands until another is set, so it has to hear of all of them")
        try:
            places = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(self.context) if name is not None]
        except ValueError as error:
            raise ValueError(f"context: {error}") from error
        if any(name not in _PLACES or spec or conversion for name, spec, conversion in places):
            raise ValueError(f"context: only {', '.join(f'{{{each}}}' for each in sorted(_PLACES))} can stand in it")


class GithubStatusSettings(CommitStatusSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="github-status"):
    """Set commit statuses at GitHub: its own, an Enterprise Server, or GHE.com."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^?#@]+$")] = "https://github.com"  # or an Enterprise Server


class GitlabStatusSettings(CommitStatusSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gitlab-status"):
    """Set commit statuses at GitLab, as an external job of the commit's pipeline."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^?#@]+$")] = "https://gitlab.com"  # or an instance of your own
