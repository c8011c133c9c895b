"""How an MQTT source is configured, and which topic filters a broker understands."""

from typing import Literal

from watcher.kit.mqtt_address import LONGEST_TOPIC_BYTES, Address, address_of
from watcher.kit.secret import SecretReference
from watcher.kit.units import Duration, Size, seconds, size_bytes
from watcher.sources.binding import EventSourceSettings

# The greatest that MQTT 5 can say below "for ever".
LONGEST_SESSION_SECONDS = 2**32 - 2
SHARED_PREFIX = "$share/"


class MqttSourceSettings(EventSourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt"):
    """Messages of a broker, one event or one body of events in each."""

    host: str  # the broker
    port: int = 0  # 0: 8883, or 1883 without TLS
    # Whether to speak TLS, and to check the broker's certificate. Unless written: with `ca_file` or `client_cert` always; without
    # them except at port 1883, and at a broker on this machine with a port that is not 8883.
    tls: bool | None = None
    # A filter such as "registry/+/push", or several. "$share/GROUP/FILTER" shares the messages with others, and may lose some.
    topic: str | tuple[str, ...]
    version: Literal[5, "3.1.1"] = 5  # of the protocol
    # Names our session at the broker, which keeps what is published while we are away. Empty: "watcher-" and the source's name.
    # Two watchers with one id throw each other out.
    client_id: str = ""
    # How long the broker is asked to keep the session while we are away; by MQTT 3.1.1 the broker alone decides.
    session_expiry: Duration = "7d"
    username: str = ""  # empty: none
    password: SecretReference | None = None  # read anew for every connection
    ca_file: str = ""  # authorities that may sign the broker's certificate, in PEM; empty: the system's
    client_cert: str = ""  # our certificate, in PEM, for a broker that asks for one; with its key unless `client_key` has it
    client_key: str = ""  # the key of `client_cert`, in PEM, without a passphrase
    # Messages that wait to be stored at a time. A broker of MQTT 5 is told; no broker is read from while there are as many. They
    # share a commit, so that it takes many to keep up while a disk is slow.
    receive_maximum: int = 500
    max_payload: Size = "1MiB"  # a larger message is recorded as rejected, and acknowledged: it would only come again
    keepalive: Duration = "15s"  # a connection that died silently is noticed after two of these
    timeout: Duration = "10s"  # for the broker to answer

    def __post_init__(self) -> None:
        topics = self.topics
        if not topics:
            raise ValueError("`topic` names nothing")
        for topic in topics:
            if wrong := objection(topic):
                raise ValueError(f"topic {topic!r:.200} {wrong}")
        self.address.check()
        if not 1 <= self.receive_maximum <= 65535:
            raise ValueError("receive_maximum is between 1 and 65535")
        if seconds(self.session_expiry) > LONGEST_SESSION_SECONDS:
            raise ValueError(f"session_expiry is at most {LONGEST_SESSION_SECONDS}s")
        if size_bytes(self.max_payload) < 1:
            raise ValueError("max_payload is more than nothing")

    @property
    def topics(self) -> tuple[str, ...]:
        return (self.topic,) if isinstance(self.topic, str) else self.topic

    @property
    def address(self) -> Address:
        return address_of(self)


def objection(topic: str) -> str:
    """Why a broker would not understand this filter, as the end of a sentence; empty when it would.

    Spec: MQTT 5.0 and 3.1.1 section 4.7; shared subscriptions: MQTT 5.0 section 4.8.2.
    """
    if not topic or "\0" in topic or len(topic.encode(errors="surrogateescape")) > LONGEST_TOPIC_BYTES:
        return "is empty, too long or holds a NUL"
    if is_shared(topic):
        group, _, topic = topic.removeprefix(SHARED_PREFIX).partition("/")
        if not group or not topic or "+" in group or "#" in group:
            return "is not $share/GROUP/FILTER"
    levels = topic.split("/")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        return "has a # that is not its whole last level"
    if any("+" in level and level != "+" for level in levels):
        return "has a + that is not a whole level"
    return ""


def is_shared(topic: str) -> bool:
    """Whether the broker gives each message to only one of the clients of a group."""
    return topic.startswith(SHARED_PREFIX)
