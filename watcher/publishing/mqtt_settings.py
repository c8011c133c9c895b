"""How an MQTT publisher is configured, and below which topics it can write."""

from typing import ClassVar, Literal

from watcher.kit.mqtt_address import LONGEST_TOPIC_BYTES, Address, address_of
from watcher.kit.secret import SecretReference
from watcher.kit.units import Duration, seconds
from watcher.publishing.wanted import PublisherSettings

# What is added to the prefix: `/verdicts/`, a host, a repository and a tag of the greatest length, all of ASCII.
LONGEST_PREFIX_BYTES = LONGEST_TOPIC_BYTES - 1024
# The greatest that MQTT can say.
LONGEST_EXPIRY_SECONDS = 2**32 - 1


class MqttPublisherSettings(PublisherSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mqtt"):
    """Keep the standing verdict of every tag as a retained message, PREFIX/verdicts/HOST/REPOSITORY/TAG."""

    keeps_state: ClassVar[bool] = True
    lets_go: ClassVar[bool] = True

    host: str  # the broker
    port: int = 0  # 0: 8883, or 1883 without TLS
    # Whether to speak TLS, and to check the broker's certificate. Unless written: with `ca_file` or `client_cert` always; without
    # them except at port 1883, and at a broker on this machine with a port that is not 8883.
    tls: bool | None = None
    topic_prefix: str = "watcher"  # what every topic begins with; levels are parted by slashes
    digests: bool = True  # whether images that never had a tag, as those of an index, are kept at PREFIX/digests
    events: bool = True  # whether each verdict is told once more, not retained, at PREFIX/events
    expiry: Duration = "0s"  # for how long the broker keeps a verdict; 0s: until there is another. MQTT 5 alone knows it
    version: Literal[5, "3.1.1"] = 5  # of the protocol
    # Who we are to the broker. Empty: "watcher-publish-" and the publisher's name. Two watchers with one id throw each other out.
    client_id: str = ""
    username: str = ""  # empty: none
    password: SecretReference | None = None  # read anew for every connection
    ca_file: str = ""  # authorities that may sign the broker's certificate, in PEM; empty: the system's
    client_cert: str = ""  # our certificate, in PEM, for a broker that asks for one; with its key unless `client_key` has it
    client_key: str = ""  # the key of `client_cert`, in PEM, without a passphrase
    keepalive: Duration = "15s"  # after one and a half of these without a word the broker says that we are offline
    timeout: Duration = "10s"  # for the broker to answer

    def __post_init__(self) -> None:
        super().__post_init__()
        self.address.check()
        if wrong := objection(self.topic_prefix):
            raise ValueError(f"topic_prefix {self.topic_prefix!r:.200} {wrong}")
        if not seconds(self.expiry).is_integer() or seconds(self.expiry) > LONGEST_EXPIRY_SECONDS:
            raise ValueError(f"expiry is whole seconds, at most {LONGEST_EXPIRY_SECONDS}s")
        if seconds(self.expiry) and self.version != 5:
            raise ValueError("expiry needs version 5")

    @property
    def address(self) -> Address:
        return address_of(self)


def objection(prefix: str) -> str:
    """Why a broker would take no topic that begins so, as the end of a sentence; empty when it would.

    Spec: MQTT 5.0 and 3.1.1 section 4.7.
    """
    if not prefix.isprintable() or len(prefix.encode(errors="surrogateescape")) > LONGEST_PREFIX_BYTES:
        return "is too long, or holds what cannot be printed"
    if any(character in prefix for character in "+#"):
        return "holds a + or a #"
    if "" in prefix.split("/"):
        return "has an empty level"
    if prefix.startswith("$"):
        return "begins with $, which is the broker's own"
    return ""
