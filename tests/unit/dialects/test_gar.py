"""Google Artifact Registry: what a message comes in, and how projects are written."""

import base64
import json
from typing import Any

import pytest

from watcher.dialects.gar import GarDialect
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Pushed
from watcher.model.reference import Host

DIGEST = "sha256:" + "1" * 64
EVENT = {"action": "INSERT", "digest": f"gcr.io/shop/web@{DIGEST}", "tag": "gcr.io/shop/web:v1"}
DATA = base64.b64encode(json.dumps(EVENT).encode()).decode()
WRAPPED = {"message": {"data": DATA, "messageId": "9", "publishTime": "2026-03-01T10:00:04Z"}, "subscription": "s"}
EVENTARC = {
    "specversion": "1.0",
    "type": "google.cloud.pubsub.topic.v1.messagePublished",
    "source": "//pubsub.googleapis.com/projects/shop/topics/gcr",
    "id": "9",
    "data": WRAPPED,
}


def one(body: Any) -> Decision:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (decision,) = GarDialect().read(Delivery(registry=Host(""), headers={}, body=raw))
    return decision


@pytest.mark.parametrize(
    "body",
    [
        EVENTARC,
        {"message": {"data": DATA, "message_id": "9", "publish_time": "2026-03-01T10:00:04Z"}},
        b"\xef\xbb\xbf" + json.dumps(WRAPPED).encode(),
    ],
)
def test_a_message_is_the_same_in_every_envelope(body: Any) -> None:
    """Eventarc puts Pub/Sub's into a CloudEvent; some clients write the names of the protocol."""
    assert isinstance(one(body), Pushed)
    assert one(body) == one(WRAPPED)


def test_a_project_of_a_domain_is_part_of_the_repository() -> None:
    """`example.com:shop` is `example.com/shop` in the names of images."""
    for project in ("example.com/shop", "example.com:shop"):
        decision = one({"action": "INSERT", "digest": f"gcr.io/{project}/web@{DIGEST}", "tag": f"gcr.io/{project}/web:v1"})
        assert isinstance(decision, Pushed)
        assert (decision.push.repository, decision.push.tag) == ("example.com/shop/web", "v1")
