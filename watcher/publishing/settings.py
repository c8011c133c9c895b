"""The settings of publishers, and the union that `publish` of the configuration is read into."""

from collections.abc import Collection, Sequence
from typing import Annotated, ClassVar, Literal

import msgspec

from watcher.kit.secret import SecretReference
from watcher.model.verdict import Outcome
from watcher.publishing.commit_status_settings import GithubStatusSettings, GitlabStatusSettings
from watcher.publishing.eventbridge_settings import EventBridgePublisherSettings
from watcher.publishing.mqtt_settings import MqttPublisherSettings
from watcher.publishing.notation_settings import NotationSettings
from watcher.publishing.notify_settings import NotifyPublisherSettings
from watcher.publishing.pubsub_settings import PubsubPublisherSettings
from watcher.publishing.quarantine.settings import QuarantinePublisherSettings
from watcher.publishing.sns_settings import SnsPublisherSettings
from watcher.publishing.sqs_settings import SqsPublisherSettings
from watcher.publishing.ticket_settings import GithubIssueSettings, GitlabIssueSettings, JiraSettings
from watcher.publishing.wanted import MessagePublisherSettings, PublisherSettings


class ReferrerPublisherSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="referrer"):
    """Attach the verdict to the image, in its registry."""

    keeps_state: ClassVar[bool] = True
    in_registry: ClassVar[bool] = True

    # The image's SBOM is attached as well, a second referrer: CycloneDX 1.6 or SPDX 2.3.
    sbom: Literal["cyclonedx", "spdx"] | None = None
    # The private key that verdicts are signed with, ECDSA on P-256 or Ed25519, as PEM: what is attached is then a DSSE envelope. A
    # key of its own, that nobody takes for a signer of images.
    sign_with: SecretReference | None = None
    sign_with_password: SecretReference | None = None  # of the key, where it has one
    # Images with these outcomes are attested to have passed, for those who ask before an image runs. A warning blocks nothing, so
    # that it may be one of them; nothing else ever is.
    attest: tuple[Literal["pass", "warn"], ...] = ()
    # `bundle`: a referrer, as cosign 3 and Kyverno's ImageValidatingPolicy read it. `legacy`: under the tag `sha256-HEX.att`, as
    # cosign 2, Kyverno's ClusterPolicy and policy-controller do. `auto`: legacy where others signed or attested the image in that
    # way and nobody by a bundle, since one bundle hides all the rest from cosign; and at Docker Hub, which deletes no bundle.
    attestation_format: Literal["auto", "bundle", "legacy"] = "auto"
    # Images that are attested are signed as well, as `notation verify`, Ratify and Kyverno's `type: Notary` read it.
    notation: NotationSettings | None = None
    # Attest again whenever an image was judged again and is as it was (`reevaluate.every`), so that `timeVerified` is of that
    # moment and signatures are by the key of now. It costs a dozen requests an image, and a verdict is kept of each time.
    renew: bool = False
    # Who attests, as a URI.
    verifier: Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9+.-]*:.+$")] = "urn:registry-watcher"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attest and self.sign_with is None and self.notation is None:
            raise ValueError("attest needs a key: sign_with, or notation")
        if self.notation is not None and not self.attest:
            raise ValueError("notation signs what `attest` lists, which is nothing")
        if self.sign_with_password is not None and self.sign_with is None:
            raise ValueError("sign_with_password is of no use without sign_with")
        if self.notation is not None and self.notation.expires_after is not None and not self.renew:
            raise ValueError("notation.expires_after needs `renew: true`: what is not judged anew would not be signed anew either")
        if self.renew and not self.attest:
            raise ValueError("renew is about what `attest` lists, which is nothing")

    @property
    def renews(self) -> Collection[Outcome]:
        """What is attested."""
        return tuple(map(Outcome, self.attest)) if self.renew else ()


class WebhookPublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webhook"):
    """POST a CloudEvent, signed as Standard Webhooks says when there is a secret."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://.+")]  # where it is posted
    secret: SecretReference | None = None  # what it is signed with; None: it is not signed
    # Signs as well, while `secret` replaces it: a receiver takes either signature. Take it away once all receivers know `secret`.
    former_secret: SecretReference | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.former_secret is not None and self.secret is None:
            raise ValueError("former_secret is of no use without a secret")


class LogPublisherSettings(MessagePublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log"):
    """Write one line per verdict to our own log."""


AnyPublisherSettings = (
    ReferrerPublisherSettings
    | WebhookPublisherSettings
    | MqttPublisherSettings
    | GithubStatusSettings
    | GitlabStatusSettings
    | SnsPublisherSettings
    | SqsPublisherSettings
    | EventBridgePublisherSettings
    | PubsubPublisherSettings
    | LogPublisherSettings
    | NotifyPublisherSettings
    | GithubIssueSettings
    | GitlabIssueSettings
    | JiraSettings
    | QuarantinePublisherSettings
)


def one_by_one(settings: AnyPublisherSettings) -> Sequence[AnyPublisherSettings]:
    """Every destination that an entry of the configuration stands for, with the name that the outbox knows it by."""
    return settings.apart() if isinstance(settings, NotifyPublisherSettings) else [settings]
