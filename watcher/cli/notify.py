"""`watcher notify test`: whether a destination can be told anything, before there is something to tell."""

import asyncio
import json
import tempfile
import uuid
from pathlib import Path

import click
import msgspec

from watcher.cli import completing
from watcher.cli.options import config_option, log_level, output_option, required_settings
from watcher.kit.clock import utc_now
from watcher.kit.suggestions import did_you_mean
from watcher.kit.telemetry import configure_logging
from watcher.kit.version import VERSION
from watcher.model.errors import ConfigurationError, PermanentError, RetryableError
from watcher.model.verdict import Verdict
from watcher.publishers import open_publishers
from watcher.publishing.sample import sample_verdict
from watcher.publishing.settings import AnyPublisherSettings
from watcher.publishing.wanted import MessagePublisherSettings
from watcher.registry.access import RegistryClients
from watcher.settings import Settings
from watcher.storage import owned
from watcher.store.outbox import MAX_NOTE
from watcher.store.settings import StoreSettings

# As long as a person waits; the daemon has more patience.
SECONDS = 60.0
EXIT_NOT_SENT = 3


@click.group()
@config_option
def notify() -> None:
    """Try out who is told of verdicts."""


@notify.command("test")
@click.argument("name", shell_complete=completing.publishers)
@output_option
@config_option
def test_(name: str, output: str) -> None:
    """Send a sample to the publisher NAME, which says that it is one; exit with 3 when it is not taken.

    Nothing of it is kept, here or in a registry. An entry with several URLs is several publishers: NAME, NAME-2, ….
    """
    _, settings = required_settings()
    publisher = _named(settings, name)
    verdict = sample_verdict(uuid.uuid4().hex, utc_now(), outcomes=publisher.outcomes, engine_version=VERSION)
    kind = str(publisher.__struct_config__.tag)
    # What the destination logs is for a person too, and stdout is for what was asked.
    configure_logging(level=log_level("info"))
    try:
        asyncio.run(_sent(settings, publisher, verdict))
    except (RetryableError, PermanentError) as error:
        if output == "text":
            raise
        click.echo(json.dumps({"publisher": name, "type": kind, "sent": False, "reason": error.reason, "detail": str(error)}))
        click.get_current_context().exit(EXIT_NOT_SENT)
    if output == "json":
        click.echo(json.dumps({"publisher": name, "type": kind, "sent": True, "verdict": verdict.id}))
    else:
        click.echo(f"{name}: {kind} took the sample {verdict.id}, outcome {verdict.outcome.value}")


def _named(settings: Settings, name: str) -> AnyPublisherSettings:
    """Raises ConfigurationError when there is none, or when it would keep the sample."""
    for publisher in settings.publish:
        if publisher.name == name:
            if isinstance(publisher, MessagePublisherSettings):
                return publisher
            kind = publisher.__struct_config__.tag
            raise ConfigurationError(f"publisher {name}: {kind} keeps the verdicts of images, and a sample is of none")
    names = [each.name for each in settings.publish if isinstance(each, MessagePublisherSettings)]
    told = ", ".join(names) or "none of those configured"
    raise ConfigurationError(f"no publisher is named {name!r}; a sample can be sent to: {told}{did_you_mean(name, names)}")


async def _sent(settings: Settings, publisher: AnyPublisherSettings, verdict: Verdict) -> None:
    """Open the publisher as the daemon does, but on a store of its own. Raises as `Publisher.publish` does, and for its secrets."""
    alone = msgspec.structs.replace(settings, publish=(publisher,))
    with tempfile.TemporaryDirectory(prefix="watcher-notify-") as folder:
        async with (
            owned(StoreSettings(url=f"sqlite:///{Path(folder) / 'watcher.db'}")) as storage,
            RegistryClients.of(settings.registries) as registries,
            open_publishers(alone, storage, registries, {}) as publishers,
        ):
            try:
                async with asyncio.timeout(SECONDS):
                    await publishers[publisher.name].publish(verdict, OnlyAttempt())
            except TimeoutError as error:
                raise NoAnswerError(f"publisher {publisher.name}: no answer within {SECONDS:.0f} seconds") from error


class NoAnswerError(RetryableError):
    """The destination takes longer than a person waits."""

    reason = "timed-out"


class OnlyAttempt:
    """`Progress` of watcher/publishing/protocol.py for what is not tried again: kept as long as it lasts."""

    def __init__(self, noted: str = "") -> None:
        self.noted = noted

    async def note(self, text: str) -> None:
        if len(text) > MAX_NOTE:
            raise ValueError(f"a note of {len(text)} characters")
        self.noted = text
