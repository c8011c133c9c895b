"""Messages by mail, as a real SMTP server gets them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest

from tests.doubles.hostile_verdicts import a_hostile_verdict, a_verdict_with_findings
from tests.doubles.post_office import PostOffice, post_office
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.model.verdict import Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.notify import NotifyPublisher
from watcher.publishing.notify_result import NotifyRefusedError, NotifyUnavailableError
from watcher.publishing.notify_settings import NotifyPublisherSettings

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
async def port(office: PostOffice) -> AsyncIterator[int]:
    async with post_office(office) as port:
        yield port


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[PublisherContext]:
    async with publisher_context(tmp_path / "w.db") as context:
        yield context


async def mailed(
    verdict: Verdict, port: int, context: PublisherContext, monkeypatch: pytest.MonkeyPatch, *, login: str = ""
) -> None:
    monkeypatch.setenv("MAIL_URL", f"mailto://{login}127.0.0.1:{port}?from=watcher@example.com&to=team@example.com")
    publisher = NotifyPublisher(NotifyPublisherSettings(name="mail", urls=("env:MAIL_URL",)), context)
    await publisher.publish(verdict, Notes())


async def test_a_letter_has_a_subject_and_can_be_read_with_and_without_html(
    office: PostOffice, port: int, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both say the same, and both lead to the verdict."""
    await mailed(a_verdict_with_findings(), port, context, monkeypatch)
    letter = office.letter()
    assert letter["Subject"] == "fail: registry.example.com/team/app:v1 (production)"
    assert letter["To"] == "team@example.com"
    assert letter.get_content_type() == "multipart/alternative"
    assert [line.strip() for line in body_of(letter, "plain").splitlines()] == [
        "registry.example.com/team/app:v1@sha256:111111111111 for linux/amd64",
        "pushed by ci",
        "judged by baseline 1.0.0",
        "",
        "3 fail, 1 warn",
        "",
        "• fail: CVE-2020-14343 (CRITICAL) in PyYAML 5.3.1, fixed in 5.4",
        "vulnerabilities/fixable: Upgrade the package, or rebuild on a base image that has the fix.",
        "• fail: AWS access key in /root/.aws/credentials line 2 (+1 more like it)",
        "baseline/aws-keys: Rotate the key.",
        "• warn: runs as root",
        "baseline/root: Add a USER.",
        "",
        f"to pull what was judged: {a_verdict().subject.name}",
        "",
        "verdict: https://watcher.example.com/api/v1/verdicts/v-1",
    ]
    assert '<a href="https://watcher.example.com/api/v1/verdicts/v-1">' in body_of(letter, "html")
    assert "<b>fail</b>: AWS access key in /root/.aws/credentials line 2" in body_of(letter, "html")


async def test_nothing_that_an_image_is_called_becomes_a_header_or_an_element(
    office: PostOffice, port: int, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends of lines in names stand in the subject as they are written in programs, and markup is text."""
    await mailed(a_hostile_verdict(), port, context, monkeypatch)
    letter = office.letter()
    assert letter["Subject"].startswith("unknown: registry.example.com/team/<!here>`@\u200ball`:v1*bold* (prod\\x0a<@")
    assert set(letter.keys()) == {"Content-Type", "MIME-Version", "X-Application", "Subject", "From", "To", "Message-ID", "Date"}
    elements = ElementsOf()
    elements.feed(body_of(letter, "html"))
    assert elements.found == {"b", "br", "span", "a"}
    assert elements.targets == {"https://watcher.example.com/api/v1/verdicts/v-1"}


async def test_a_name_in_any_script_arrives_as_it_is(
    office: PostOffice, port: int, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the subject and in both bodies."""
    verdict = a_verdict()
    await mailed(replace(verdict, subject=replace(verdict.subject, environment="生产環境 é")), port, context, monkeypatch)
    assert office.letter()["Subject"].endswith("(生产環境 é)")


@pytest.mark.parametrize(
    ("answer", "taken", "login", "error", "code"),
    [
        ("250 OK", "250 OK", "somebody:wrong@", NotifyRefusedError, 535),
        ("550 no such user", "250 OK", "", NotifyRefusedError, 550),
        ("451 try later", "250 OK", "", NotifyUnavailableError, 451),
        ("250 OK", "554 that is spam", "", NotifyRefusedError, 554),
        ("250 OK", "452 no room", "", NotifyUnavailableError, 452),
    ],
)
async def test_what_the_server_answers_decides_whether_it_is_tried_again(
    answer: str,
    taken: str,
    login: str,
    error: type[Exception],
    code: int,
    office: PostOffice,
    port: int,
    context: PublisherContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its number, which is named; an address or a password is not."""
    office.answer, office.taken = answer, taken
    with pytest.raises(error, match=rf"^notify mail: E-Mail answered {code}") as caught:
        await mailed(a_verdict(), port, context, monkeypatch, login=login)
    assert not any(word in str(caught.value) for word in ("team@", "wrong", "somebody"))


async def test_a_login_that_is_right_is_used(
    office: PostOffice, port: int, context: PublisherContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the URL, which is a secret."""
    await mailed(a_verdict(), port, context, monkeypatch, login="somebody:right@")
    assert len(office.letters) == 1


async def test_a_server_that_is_gone_is_tried_again(context: PublisherContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens on the discard port of the loopback."""
    with pytest.raises(NotifyUnavailableError):
        await mailed(a_verdict(), 9, context, monkeypatch)


class ElementsOf(HTMLParser):
    """What a reader of mail makes of a body."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.targets: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.targets.update(value for name, value in attrs if name != "style")


def body_of(letter: EmailMessage, kind: Literal["plain", "html"]) -> str:
    body = letter.get_body((kind,))
    assert body is not None
    return str(body.get_content())
