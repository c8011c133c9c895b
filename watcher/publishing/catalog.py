"""Every publisher, by the settings that ask for it."""

from collections.abc import Callable, Mapping
from typing import Any

from watcher.publishing.commit_status_settings import GithubStatusSettings, GitlabStatusSettings
from watcher.publishing.context import PublisherContext
from watcher.publishing.eventbridge import EventBridgePublisher
from watcher.publishing.eventbridge_settings import EventBridgePublisherSettings
from watcher.publishing.github_issue import GithubIssuePublisher
from watcher.publishing.github_status import GithubStatusPublisher
from watcher.publishing.gitlab_issue import GitlabIssuePublisher
from watcher.publishing.gitlab_status import GitlabStatusPublisher
from watcher.publishing.jira import JiraPublisher
from watcher.publishing.log import LogPublisher
from watcher.publishing.mqtt import MqttPublisher
from watcher.publishing.mqtt_settings import MqttPublisherSettings
from watcher.publishing.notify import NotifyPublisher
from watcher.publishing.notify_settings import NotifyPublisherSettings
from watcher.publishing.protocol import Publisher
from watcher.publishing.pubsub import PubsubPublisher
from watcher.publishing.pubsub_settings import PubsubPublisherSettings
from watcher.publishing.quarantine.publisher import QuarantinePublisher
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import (
    AnyPublisherSettings,
    LogPublisherSettings,
    ReferrerPublisherSettings,
    WebhookPublisherSettings,
)
from watcher.publishing.sns import SnsPublisher
from watcher.publishing.sns_settings import SnsPublisherSettings
from watcher.publishing.sqs import SqsPublisher
from watcher.publishing.sqs_settings import SqsPublisherSettings
from watcher.publishing.ticket_settings import GithubIssueSettings, GitlabIssueSettings, JiraSettings
from watcher.publishing.wanted import PublisherSettings
from watcher.publishing.webhook import WebhookPublisher

PUBLISHERS: Mapping[type[PublisherSettings], Callable[[Any, PublisherContext], Publisher]] = {
    LogPublisherSettings: LogPublisher,
    NotifyPublisherSettings: NotifyPublisher,
    MqttPublisherSettings: MqttPublisher,
    SnsPublisherSettings: SnsPublisher,
    SqsPublisherSettings: SqsPublisher,
    EventBridgePublisherSettings: EventBridgePublisher,
    PubsubPublisherSettings: PubsubPublisher,
    ReferrerPublisherSettings: ReferrerPublisher,
    WebhookPublisherSettings: WebhookPublisher,
    GithubStatusSettings: GithubStatusPublisher,
    GitlabStatusSettings: GitlabStatusPublisher,
    GithubIssueSettings: GithubIssuePublisher,
    GitlabIssueSettings: GitlabIssuePublisher,
    JiraSettings: JiraPublisher,
    QuarantinePublisherSettings: QuarantinePublisher,
}


def build_publisher(settings: AnyPublisherSettings, context: PublisherContext) -> Publisher:
    """The publisher as configured, not open yet.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    return PUBLISHERS[type(settings)](settings, context)
