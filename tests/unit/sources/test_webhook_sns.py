import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.doubles.hand_clock import HandClock
from tests.doubles.requests import a_request
from watcher.model.errors import RetryableError
from watcher.sources.webhook_settings import SnsAuth, WebhookSourceSettings
from watcher.sources.webhook_sns import ConfirmationUnavailableError, SnsDoorman
from watcher.sources.webhook_sns_certificates import CERTIFICATE_SECONDS, FETCHES_A_MINUTE, is_of_region
from watcher.testing.senders.sns_topic import CERTIFICATE_URL, TOPIC, SigningTopic, certificate

CLOCK = HandClock()
AMAZON = SigningTopic(CLOCK)
STRANGER = SigningTopic(CLOCK, topic="arn:aws:sns:eu-west-1:999999999999:ecr-events")


class DownError(RetryableError):
    reason = "down"


class Region:
    """What is at the URLs of a region."""

    def __init__(self) -> None:
        self.files = {CERTIFICATE_URL: AMAZON.pem}
        self.status = 200
        self.down = False
        self.asked: list[str] = []
        self.now = 1000.0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        self.asked.append(url)
        await self.gate.wait()
        if self.down:
            raise DownError("no route")
        return (self.status if url in self.files else 404), {}, self.files.get(url, b"")


@pytest.fixture
def region() -> Region:
    return Region()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@dataclass
class Confirmations:
    """What SNS was told, instead of telling it. `answer` is raised where it is an error."""

    told: list[tuple[str, str, str]] = field(default_factory=list)
    answer: str | Exception | None = None

    def __call__(self, topic: str, token: str, endpoint_url: str) -> str | None:
        self.told.append((topic, token, endpoint_url))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def confirmed() -> Confirmations:
    return Confirmations()


@pytest.fixture
def doorman(region: Region, clock: HandClock, confirmed: Confirmations) -> SnsDoorman:
    return SnsDoorman(SnsAuth(topics=(TOPIC,)), region.fetch, clock, lambda: region.now, confirmed)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("changes", [{}, {"Subject": "pushed"}, {"UnsubscribeURL": "https://example.com", "MessageAttributes": {}}])
async def test_what_amazon_signed_for_our_topic_is_accepted(
    doorman: SnsDoorman, region: Region, version: str, changes: dict[str, Any]
) -> None:
    """With either version of its signature, with a subject and without; what is not signed may be there."""
    assert await doorman.objection(a_request(), AMAZON.body(version=version, **changes)) is None
    assert region.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize("key", ["Message", "MessageId", "Timestamp", "Subject"])
async def test_what_was_changed_on_the_way_is_refused(doorman: SnsDoorman, key: str) -> None:
    """Every key that is signed counts, also one that was added or taken away."""
    message = AMAZON.message(Subject="pushed")
    later = "2026-11-25T10:00:01Z" if key == "Timestamp" else "other"
    assert await doorman.objection(a_request(), json.dumps({**message, key: later}).encode()) == "bad-signature"
    assert await doorman.objection(a_request(), json.dumps({**AMAZON.message(), "Subject": "added"}).encode()) == "bad-signature"
    del message["Subject"]
    assert await doorman.objection(a_request(), json.dumps(message).encode()) == "bad-signature"


@pytest.mark.parametrize("version", ["0", "3", "", "SHA1"])
async def test_an_unknown_version_of_the_signature_is_refused(doorman: SnsDoorman, version: str) -> None:
    """There are two."""
    assert await doorman.objection(a_request(), AMAZON.body(version=version)) == "bad-signature"


async def test_a_signature_of_one_version_is_none_of_the_other(doorman: SnsDoorman) -> None:
    """Nor is what is no base64, or somebody else's."""
    for said, signed in (("1", "2"), ("2", "1")):
        assert (
            await doorman.objection(a_request(), json.dumps({**AMAZON.message(version=signed), "SignatureVersion": said}).encode())
            == "bad-signature"
        )
    own = SigningTopic(CLOCK).message()
    for signature in (own["Signature"], "", "!!!", "AAAA", "é"):
        assert (
            await doorman.objection(a_request(), json.dumps({**AMAZON.message(), "Signature": signature}).encode())
            == "bad-signature"
        )


async def test_a_topic_of_somebody_else_is_refused_before_anything_is_fetched(doorman: SnsDoorman, region: Region) -> None:
    """Amazon signs for everybody."""
    region.files[CERTIFICATE_URL] = STRANGER.pem
    assert await doorman.objection(a_request(), STRANGER.body()) == "foreign-topic"
    assert region.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com.cn/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1xamazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://a@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/x/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem?x",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem\n",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789ABCDEF0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "HTTPS://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
        "",
    ],
)
async def test_a_certificate_from_elsewhere_is_not_fetched(doorman: SnsDoorman, region: Region, url: str) -> None:
    """Only SNS of the topic's own region is asked, by its exact name."""
    region.files[url] = AMAZON.pem
    assert await doorman.objection(a_request(), AMAZON.body(SigningCertURL=url)) == "foreign-certificate"
    assert region.asked == []


def test_china_has_a_domain_of_its_own() -> None:
    """Which is right there and nowhere else."""
    name = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:ecr"
    assert is_of_region(f"https://sns.cn-north-1.amazonaws.com.cn/{name}", topic)
    assert not is_of_region(f"https://sns.cn-north-1.amazonaws.com/{name}", topic)


@pytest.mark.parametrize(
    ("seconds", "objection"), [(-3601, "stale"), (-600, None), (0, None), (600, None), (7200, None), (7201, "stale")]
)
async def test_an_old_message_is_refused(doorman: SnsDoorman, clock: HandClock, seconds: float, objection: str | None) -> None:
    """SNS delivers for an hour and signs once; a clock that is ten minutes off is no trouble."""
    clock.advance(seconds)
    assert await doorman.objection(a_request(), AMAZON.body()) == objection


@pytest.mark.parametrize("timestamp", ["", "yesterday", "2026-11-25T10:00:00", "9999-99-99T00:00:00Z"])
async def test_a_message_without_a_time_is_refused(doorman: SnsDoorman, timestamp: str) -> None:
    """However well it is signed."""
    assert await doorman.objection(a_request(), AMAZON.body(Timestamp=timestamp)) == "stale"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'"Notification"',
        b'{"Type": "Notification"}',
        b'{"Type": ["Notification"]}',
        b'{"Type": {}}',
        AMAZON.body(Type="Other"),
        AMAZON.body(MessageId=None),
        AMAZON.body(MessageId=7),
        AMAZON.body(SigningCertURL=None),
        AMAZON.body(TopicArn=["a"]),
        AMAZON.body("SubscriptionConfirmation", Token=None),
        AMAZON.body().replace(b'"Message"', b'"Message": "x", "Message"'),
        AMAZON.body()[:-1],
        b"[" * 100_000,
    ],
)
async def test_what_is_no_message_is_refused(doorman: SnsDoorman, region: Region, body: bytes) -> None:
    """Without a word, and without a request to anybody."""
    assert await doorman.objection(a_request(), body) == "malformed-message"
    assert region.asked == []


def test_raw_delivery_is_refused_by_its_headers(doorman: SnsDoorman) -> None:
    """It has no signature; so is another topic. What has no such headers has a body that says the same."""

    def admits(headers: dict[str, str]) -> bool:
        return doorman.admits(a_request(headers))

    assert admits({"x-amz-sns-message-type": "Notification", "x-amz-sns-topic-arn": TOPIC})
    assert admits({})
    assert not admits({"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC})
    assert not admits({"x-amz-sns-topic-arn": TOPIC + "x"})


async def test_a_certificate_is_fetched_once_a_day(doorman: SnsDoorman, region: Region, clock: HandClock) -> None:
    """Those that come while it is on its way wait for it."""
    region.gate.clear()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(doorman.objection(a_request(), AMAZON.body())) for _ in range(20)]
        while not region.asked:
            await asyncio.sleep(0)
        region.gate.set()
    assert {task.result() for task in asked} == {None}
    region.now += CERTIFICATE_SECONDS - 1
    await doorman.objection(a_request(), AMAZON.body())
    assert len(region.asked) == 1
    region.now += 1
    await doorman.objection(a_request(), AMAZON.body())
    assert len(region.asked) == 2


async def test_a_certificate_that_cannot_be_had_is_no_reason_to_refuse(doorman: SnsDoorman, region: Region) -> None:
    """SNS takes a refusal for final, so it is asked to try again."""
    region.down = True
    with pytest.raises(RetryableError):
        await doorman.objection(a_request(), AMAZON.body())
    region.down = False
    for region.status in (301, 500, 503, 429):
        with pytest.raises(RetryableError):
            await doorman.objection(a_request(), AMAZON.body())
    region.status = 200
    assert await doorman.objection(a_request(), AMAZON.body()) is None


async def test_invented_certificates_do_not_make_us_ask_without_end(doorman: SnsDoorman, region: Region) -> None:
    """At most a few in a minute; those that are known count meanwhile."""
    assert await doorman.objection(a_request(), AMAZON.body()) is None
    names = [f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{index:032x}.pem" for index in range(50)]
    for url in names[: FETCHES_A_MINUTE - 1]:
        assert await doorman.objection(a_request(), AMAZON.body(SigningCertURL=url)) == "no-certificate"
    for url in names[FETCHES_A_MINUTE:]:
        with pytest.raises(RetryableError):
            await doorman.objection(a_request(), AMAZON.body(SigningCertURL=url))
    assert len(region.asked) == FETCHES_A_MINUTE
    assert await doorman.objection(a_request(), AMAZON.body()) is None
    region.now += 60
    assert await doorman.objection(a_request(), AMAZON.body(SigningCertURL=names[0])) == "no-certificate"


async def test_a_file_that_is_no_certificate_proves_nothing(doorman: SnsDoorman, region: Region, clock: HandClock) -> None:
    """Neither a page, nor a bare key, nor another kind of key, nor a weak one, nor one whose time is over or has not come."""
    weak = SigningTopic(CLOCK, key_bits=1024)
    bare = AMAZON.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    elliptic: Any = ec.generate_private_key(ec.SECP256R1())
    now, day = clock(), timedelta(days=1)
    files = {
        b"": AMAZON,
        b"<html>": AMAZON,
        bare: AMAZON,
        weak.pem: weak,
        certificate(elliptic, now - day, now + day): AMAZON,
        certificate(AMAZON.key, now - 2 * day, now - day): AMAZON,
        certificate(AMAZON.key, now + day, now + 2 * day): AMAZON,
    }
    for index, (pem, signer) in enumerate(files.items()):
        region.now += 60
        url = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{index:032x}.pem"
        region.files[url] = pem
        message = {**signer.message(), "SigningCertURL": url}
        assert await doorman.objection(a_request(), json.dumps(message).encode()) == "no-certificate"


async def test_a_subscription_confirms_itself(doorman: SnsDoorman, confirmed: Confirmations, region: Region) -> None:
    """By the API, with topic and token: no URL of the message is requested."""
    assert await doorman.objection(a_request(), AMAZON.body("SubscriptionConfirmation")) is None
    assert confirmed.told == [(TOPIC, "2336412f37fb687f", "")]
    assert region.asked == [CERTIFICATE_URL]


async def test_a_subscription_that_is_not_proven_is_not_confirmed(doorman: SnsDoorman, confirmed: Confirmations) -> None:
    """Or anybody could have us listen to his topic."""
    changed = json.dumps({**AMAZON.message("SubscriptionConfirmation"), "Token": "other"}).encode()
    assert await doorman.objection(a_request(), changed) == "bad-signature"
    assert await doorman.objection(a_request(), STRANGER.body("SubscriptionConfirmation")) == "foreign-topic"
    assert confirmed.told == []


async def test_the_end_of_a_subscription_is_told_and_not_undone(doorman: SnsDoorman, confirmed: Confirmations) -> None:
    """Whoever ended it may have had a reason."""
    with structlog.testing.capture_logs() as logged:
        assert await doorman.objection(a_request(), AMAZON.body("UnsubscribeConfirmation")) is None
    assert [(each["log_level"], each["event"], each["topic"]) for each in logged] == [("error", "subscription.ended", TOPIC)]
    assert confirmed.told == []


async def test_a_confirmation_that_fails_is_tried_again(doorman: SnsDoorman, confirmed: Confirmations) -> None:
    """When SNS was not reached; a token that it refuses is refused again, and is no reason to be sent again."""
    confirmed.answer = ConfirmationUnavailableError("no route")
    with pytest.raises(ConfirmationUnavailableError):
        await doorman.objection(a_request(), AMAZON.body("SubscriptionConfirmation"))
    confirmed.answer = "InvalidParameter"
    assert await doorman.objection(a_request(), AMAZON.body("SubscriptionConfirmation")) is None


@pytest.mark.parametrize(
    ("dialect", "auth"),
    [
        ("ecr", {"topics": []}),
        ("ecr", {"topics": ["*"]}),
        ("ecr", {"topics": ["arn:aws:sns:eu-west-1:123456789012:*"]}),
        ("ecr", {"topics": ["arn:aws:sqs:eu-west-1:123456789012:ecr"]}),
        ("ecr", {"topics": ["arn:aws:sns:eu-west-1.evil.example/:123456789012:ecr"]}),
        ("ecr", {"topics": [TOPIC], "endpoint_url": "http://sns.example.com"}),
        ("distribution", {"topics": [TOPIC]}),
    ],
)
def test_topics_are_listed_by_name(dialect: str, auth: dict[str, Any]) -> None:
    """Whole ARNs; and only where the dialect reads messages of SNS."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "webhook", "dialect": dialect, "auth": {"type": "sns", **auth}}, WebhookSourceSettings)
    msgspec.convert({"type": "webhook", "dialect": "ecr", "auth": {"type": "sns", "topics": [TOPIC]}}, WebhookSourceSettings)
