"""The settings of publishers that keep a ticket for each cause."""

from typing import Annotated, ClassVar

import msgspec

from watcher.kit.secret import SpokenSecretReference
from watcher.model.verdict import Outcome
from watcher.publishing.wanted import PublisherSettings


class TicketSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep a ticket for each cause: a vulnerability that a rule finds, or a rule that images of a repository break."""

    keeps_state: ClassVar[bool] = True

    outcomes: tuple[Outcome, ...] = (Outcome.FAIL,)  # findings that lead to one of these, `fail` or `warn`, have tickets
    # Globs over tags. An image counts while a tag that matches leads to it; one that never had a tag always does.
    tags: tuple[str, ...] = ("*",)
    label: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,50}$")] = "registry-watcher"  # on each ticket
    most_open: Annotated[int, msgspec.Meta(ge=1)] = 100  # no further ticket is opened while so many are open
    token: SpokenSecretReference  # of an account that may open, change and close tickets

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.outcomes or not set(self.outcomes) <= {Outcome.FAIL, Outcome.WARN}:
            raise ValueError("outcomes: only what fails or warns has a cause to mend")


class GithubIssueSettings(TicketSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="github-issue"):
    """Keep a GitHub issue for each cause, at GitHub itself, an Enterprise Server, or GHE.com."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^?#@]+$")] = "https://github.com"  # or an Enterprise Server
    repository: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9_.-]+$")]  # OWNER/NAME


class GitlabIssueSettings(TicketSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gitlab-issue"):
    """Keep a GitLab issue for each cause."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^?#@]+$")] = "https://gitlab.com"  # or an instance of your own
    project: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$")]  # GROUP/NAME


class JiraSettings(TicketSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="jira"):
    """Keep a Jira issue for each cause."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^?#@]+$")]  # https://NAME.atlassian.net, or a data center's
    user: str = ""  # whose API token it is, by mail, in Jira's cloud; empty: a personal access token of a data center
    project: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]{0,30}$")]  # its key
    issue_type: str = "Task"  # one that the project has
