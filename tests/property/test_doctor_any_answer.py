"""Whatever a registry answers, `watcher doctor` says a line for every step, and none is a mistake of ours."""

import asyncio
import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doubles.certificates import signed
from tests.doubles.checkups import APP, V1
from watcher.cli.doctor_areas import Area
from watcher.cli.doctor_output import Report
from watcher.kit.checkup import Checkup
from watcher.model.image import EMPTY_DIGEST, OCI_INDEX, OCI_MANIFEST
from watcher.registry.probe import Extent, probe
from watcher.registry.probe_choice import Wanted
from watcher.registry.probe_connection import ends_at, issuer_of
from watcher.registry.settings import RegistrySettings
from watcher.sources.sqs_probe import redrive_of

pytestmark = pytest.mark.enable_socket

STEPS = {"dns", "connect", "ping", "clock", "credentials", "login", "image", "head", "get", "blob", "referrers", "push"}
MISTAKE = "could not be finished"
# What is a number, a date or a URL to one reader, and to another an exception.
ODD = (
    "²",
    "٣",
    "9" * 5000,
    "1" * 16,
    "-1",
    "1e400",
    "nan",
    "0x1",
    " ",
    "",
    "\x7f",
    "é\udcff",
    "a" * 7000,
    "[::1",
    "//",
    "%",
    "%zz",
)
DATES = (
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 2026 00:00:00 +99999999999",
    "Mon, 99 Xxx 2026",
)
ENDS = ("Dec 31 23:59:59 9999 GMT", "Bad time value", "Feb 30 1:1:1 99999 GMT")
PLACES = (
    "http://169.254.169.254/",
    "http://127.0.0.1:99999/",
    "http://u:p@[::1/",
    "https://xn--\x80/",
    "http://[::1%25x]/a",
    "/a b",
    "//..//",
)
REALMS = ("http://127.0.0.1:{port}/token", "http://127.0.0.1:{port}/\x1b[31m?a=%", *PLACES, *ODD)

odd = st.sampled_from(ODD) | st.text(max_size=12)
challenges = st.builds(
    lambda scheme, realm, service, scope: f'{scheme} realm="{realm}",service="{service}",scope="{scope}",error={scope}',
    st.sampled_from(["Bearer", "Basic", "Negotiate", "²"]),
    st.sampled_from(REALMS) | odd,
    odd,
    odd,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Date": st.sampled_from(DATES) | odd,
        "Content-Type": st.sampled_from([OCI_MANIFEST, OCI_INDEX, "text/html"]) | odd,
        "Docker-Content-Digest": st.sampled_from([EMPTY_DIGEST, "sha512:" + "0" * 128]) | odd,
        "RateLimit-Remaining": odd | odd.map(lambda text: f"5;w={text}"),
        "RateLimit-Limit": odd | odd.map(lambda text: f"5;w={text}"),
        "Location": st.sampled_from(PLACES) | odd,
        "Link": odd.map(lambda text: f'<{text}>; rel="next"'),
        "WWW-Authenticate": challenges | odd,
        "Content-Encoding": st.sampled_from(["gzip", "br", "²"]),
        "Content-Length": odd,
        "Transfer-Encoding": odd,
    },
)
descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": EMPTY_DIGEST, "size": 2}
documents: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor, "layers": [descriptor]},
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**descriptor, "mediaType": OCI_MANIFEST}]},
        {"token": "t", "expires_in": 1e308},
        {"token": "\ud800", "expires_in": -1},
        {"errors": [{"code": ["\ud800"], "message": {"a": 1e308}}]},
        {"errors": [7]},
        {"errors": {"0": 1}},
        {"tags": [7, "v1", None, "\ud800"], "repositories": ["a/b", {}, "²"]},
        [],
        7,
        None,
    ]
)
RAW = (
    b"[" * 200_000,
    b'{"errors":[{"code":' + b"9" * 5000 + b',"message":1}]}',
    b'{"token":"t","expires_in":' + b"9" * 5000 + b"}",
    b'{"token":"t","expires_in":' + b"9" * 400 + b"}",
    b'{"errors":[{"code":' + b"9" * 4000 + b"}]}",
    b'{"token":"t","expires_in":1e400}',
    b'{"token":"\xff"}',
    b"\xff\xfe",
    b"",
)
bodies = documents.map(lambda document: json.dumps(document).encode()) | st.sampled_from(RAW) | st.binary(max_size=20)
# Those that are tried again later are for `test_retry_after`: here they would only be waited for.
statuses = st.sampled_from([200, 200, 200, 401, 401, 202, 206, 307, 400, 403, 404])


CERTIFICATE = signed("corporate").public_bytes(Encoding.DER)


class Server(socketserver.ThreadingTCPServer):
    """Answers every request with the same bytes, or with those that are next, the last of them for ever."""

    daemon_threads = True
    answers: tuple[bytes, ...] = (b"",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def next(self) -> bytes:
        with self._lock:
            answer, *others = self.answers
            self.answers = tuple(others) or self.answers
        return answer


class _Handler(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            if self.request.recv(65536):
                self.request.sendall(self.server.next())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def raw(port: int, status: int, named: dict[str, str], body: bytes) -> bytes:
    lines = {"Content-Length": str(len(body)), "Connection": "close", **named}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if "\r" not in value and "\n" not in value)
    head = f"HTTP/1.1 {status} X\r\n{text}\r\n".replace("{port}", str(port))
    return head.encode("utf-8", "surrogateescape" if "\udcff" in head else "replace") + body


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def shown(checkup: Checkup) -> None:
    """Both ways of printing take whatever there is in it."""

    async def looked() -> Checkup:
        return checkup

    area = Area(kind="registry", name="here", look=looked)
    for as_json in (False, True):
        Report(as_json=as_json).show(area, checkup)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(st.tuples(statuses, headers, bodies), min_size=1, max_size=4), named=st.booleans())
def test_whatever_a_registry_answers(
    server: Server, answers: list[tuple[int, dict[str, str], bytes]], named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Headers that are no numbers, dates or URLs, challenges, bodies: each step has its line."""
    server.answers = tuple(raw(server.port, *each) for each in answers)
    registry = RegistrySettings(host=f"127.0.0.1:{server.port}", timeout="500ms")
    wanted = Wanted(repository=APP, reference=V1) if named else Wanted()
    checkup = asyncio.run(probe(registry, wanted, Extent(must_write=True), sleep=_at_once))
    assert {step.name for step in checkup.steps} >= STEPS
    assert [step for step in checkup.steps if MISTAKE in step.found.detail] == []
    shown(checkup)
    assert capsys.readouterr().out


@given(
    changes=st.lists(st.tuples(st.integers(0, 140), st.integers(0, 255)), max_size=4),
    kept=st.integers(0, 400),
    version=st.integers(0, 255),
)
def test_whatever_a_stranger_shows_for_a_certificate(changes: list[tuple[int, int]], kept: int, version: int) -> None:
    """Its issuer, or nothing; a version that is none is not the least of it."""
    shown = bytearray(CERTIFICATE)
    shown[CERTIFICATE.index(b"\xa0\x03\x02\x01") + 4] = version
    for place, value in changes:
        shown[place] = value
    assert len(issuer_of(bytes(shown))) <= 200
    assert len(issuer_of(bytes(shown[:kept]))) <= 200


@given(text=st.none() | st.text(max_size=30) | st.sampled_from(ENDS))
def test_whatever_date_a_certificate_ends_at(text: str | None) -> None:
    """A moment, or none."""
    ends = ends_at({} if text is None else {"notAfter": text})
    assert ends is None or ends.tzinfo is not None


@given(text=st.text(max_size=20) | st.sampled_from(["[" * 100_000, '"\ud800', "[]", "7", '{"maxReceiveCount": 1e400}']))
def test_whatever_a_queue_says_of_its_dead_letters(text: str) -> None:
    """An object, or nothing."""
    assert isinstance(redrive_of(text), dict)
