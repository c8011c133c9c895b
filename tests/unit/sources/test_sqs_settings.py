"""What the configuration of an SQS source may say, and what its queue's URL says."""

from typing import Any

import msgspec
import pytest

from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/registry-watcher"


def read(**given: Any) -> SqsSourceSettings:
    return msgspec.convert({"type": "sqs", "queue_url": QUEUE, **given}, SqsSourceSettings)


@pytest.mark.parametrize(
    ("given", "region", "url"),
    [
        ({}, "eu-west-1", None),
        ({"region": "eu-central-1"}, "eu-central-1", None),
        ({"queue_url": "https://sqs.cn-north-1.amazonaws.com.cn/1/q"}, "cn-north-1", None),
        ({"queue_url": "https://sqs-fips.us-gov-west-1.amazonaws.com/1/q"}, "us-gov-west-1", None),
        ({"queue_url": "https://sqs.us-east-2.api.aws/1/q"}, "us-east-2", None),
        ({"queue_url": "https://eu-west-1.queue.amazonaws.com/1/q"}, "eu-west-1", None),
        ({"queue_url": "https://queue.amazonaws.com/1/q"}, "us-east-1", None),
        (
            {"queue_url": "https://vpce-0a1b-2c.sqs.eu-west-1.vpce.amazonaws.com/1/q"},
            "eu-west-1",
            "https://vpce-0a1b-2c.sqs.eu-west-1.vpce.amazonaws.com",
        ),
        ({"queue_url": "http://localhost:4566/000000000000/q"}, None, "http://localhost:4566"),
        (
            {"queue_url": "https://sqs.eu-west-1.amazonaws.com.example.com/1/q"},
            None,
            "https://sqs.eu-west-1.amazonaws.com.example.com",
        ),
        ({"endpoint_url": "http://127.0.0.1:5000"}, "eu-west-1", "http://127.0.0.1:5000"),
    ],
)
def test_the_queue_s_url_tells_where_it_is(given: dict[str, Any], region: str | None, url: str | None) -> None:
    """Its region by Amazon's names of the service; the host itself where it is another. None is left to the SDK."""
    settings = read(**given)
    assert (settings.service_region, settings.service_url) == (region, url)


@pytest.mark.parametrize(
    ("given", "objected"),
    [
        ({"queue_url": "registry-watcher"}, "queue_url"),
        ({"queue_url": "arn:aws:sqs:eu-west-1:123456789012:registry-watcher"}, "queue_url"),
        ({"queue_url": "https://sqs.eu-west-1.amazonaws.com/"}, "queue_url"),
        ({"queue_url": "https://sqs.eu-west-1.amazonaws.com:x/1/q"}, "queue_url"),
        ({"queue_url": "https://user:password@sqs.example.com/1/q"}, "queue_url"),
        ({"endpoint_url": "127.0.0.1:5000"}, "endpoint_url"),
        ({"region": "EU West"}, "region"),
        ({"receivers": 0}, "receivers"),
        ({"in_flight": 0}, "in_flight"),
        ({"wait": "0s"}, "wait"),
        ({"wait": "21s"}, "wait"),
        ({"wait": "1500ms"}, "wait"),
        ({"visibility_timeout": "0s"}, "visibility_timeout"),
        ({"visibility_timeout": "13h"}, "visibility_timeout"),
        ({"timeout": "0s"}, "timeout"),
        ({"queue": QUEUE}, "queue"),
    ],
)
def test_what_would_not_work_is_objected_to(given: dict[str, Any], objected: str) -> None:
    """By name, when the configuration is read."""
    with pytest.raises(msgspec.ValidationError, match=objected):
        read(**given)


def test_a_password_in_the_url_is_not_repeated() -> None:
    """Nobody needs one, and an error may be logged."""
    with pytest.raises(msgspec.ValidationError) as raised:
        read(queue_url="https://user:hunter2@sqs.example.com/1/q")
    assert "hunter2" not in str(raised.value)


def test_the_source_is_called_as_its_dialect_unless_named() -> None:
    """As every source is."""
    assert SqsSource(read(dialect="ecr")).name == "ecr"
    assert SqsSource(read(dialect="ecr", name="pushes")).name == "pushes"
