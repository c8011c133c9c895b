"""What somebody captured, as its source would have handed it over."""

from collections.abc import Sequence
from pathlib import Path

from watcher.cli.captured_queue import published, read_messages
from watcher.dialects.protocol import Delivery, lower_headers
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host
from watcher.sources.webhook_senders import payload_of

REQUEST_SUFFIX = ".http.txt"
# No sender's payload comes near this; what does was not meant to be read here.
MAX_FILE_BYTES = 64 * 1024 * 1024
# A request with more is no request of a registry.
MAX_HEADERS = 200
# How a captured MQTT message begins. Its properties have the names of MQTT 5.0 section 3.3.2.3, in lower case here.
PUBLISH = "PUBLISH"
TOPIC = "topic name"
RETAIN = "retain"
CONTENT_TYPE = "content type"
USER_PROPERTY = "user property"


def read_deliveries(file: Path, registry: Host) -> Sequence[Delivery]:
    """A captured request, message or body as its source would hand it over; of what was read from a queue, every message.

    Raises:
        ConfigurationError: unreadable, too large, or a `*.http.txt` that is no request.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{file}: more than {MAX_FILE_BYTES} bytes are not read")
    if file.name.endswith(REQUEST_SUFFIX):
        return [_request(content, file, registry)]
    if content.startswith((f"{PUBLISH}\n".encode(), f"{PUBLISH}\r\n".encode())):
        _, properties, payload = _parts(content, file)
        return [_published(properties, payload, registry)]
    return read_messages(content, registry) or [Delivery(registry=registry, headers={}, body=content)]


def _request(content: bytes, file: Path, registry: Host) -> Delivery:
    """Spec: RFC 9112 section 2.1."""
    first, fields, body = _parts(content, file)
    method, _, target = first.partition(" ")
    if not method.isalpha() or not method.isupper():
        raise ConfigurationError(f"{file}:1: expected a request line, such as POST /hooks/main HTTP/1.1")
    if not body.strip():
        # Gitea's hooks may be told to send by GET.
        query = target.partition(" ")[0].partition("?")[2]
        body = payload_of("payload", body=b"", content_type="", query=query) or body
    return Delivery(registry=registry, headers=lower_headers(fields), body=body, method=method)


def _published(properties: Sequence[tuple[str, str]], payload: bytes, registry: Host) -> Delivery:
    one = dict(properties)
    return published(
        one.get(TOPIC, ""),
        payload,
        registry,
        retained=one.get(RETAIN) == "1",
        content_type=one.get(CONTENT_TYPE, ""),
        properties=[(key, text) for name, value in properties if name == USER_PROPERTY for key, _, text in [value.partition("=")]],
    )


def _parts(content: bytes, file: Path) -> tuple[str, list[tuple[str, str]], bytes]:
    """First line, fields with lower-case names, and body. Lines may end as HTTP's do or as a text editor's."""
    lines: list[str] = []
    position = 0
    while True:
        end = content.find(b"\n", position)
        if end < 0 or len(lines) > MAX_HEADERS:
            raise ConfigurationError(f"{file}: expected a request line, headers, a blank line and a body")
        line = content[position:end].rstrip(b"\r").decode("latin-1")
        position = end + 1
        if not line:
            break
        lines.append(line)
    fields: list[tuple[str, str]] = []
    for number, line in enumerate(lines[1:], start=2):
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ConfigurationError(f"{file}:{number}: expected a header, NAME: VALUE")
        fields.append((name.lower(), value.strip()))
    return lines[0] if lines else "", fields, content[position:]
