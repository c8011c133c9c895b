"""Amazon ECR: which registry an event is about, and what it may come in."""

import json
from typing import Any

import pytest

from watcher.dialects.ecr import EcrDialect
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored, Pushed, Rejected
from watcher.model.reference import Host

DIGEST = "sha256:" + "1" * 64
DETAIL = {"result": "SUCCESS", "repository-name": "team/app", "image-digest": DIGEST, "action-type": "PUSH", "image-tag": "v1"}
EVENT = {
    "id": "e-1",
    "detail-type": "ECR Image Action",
    "source": "aws.ecr",
    "account": "123456789012",
    "region": "eu-west-1",
    "detail": DETAIL,
}
NOTIFICATION = {"Type": "Notification", "Subject": "s", "Message": json.dumps(EVENT)}
RECORD = {"messageId": "m-1", "body": json.dumps(EVENT), "eventSource": "aws:sqs"}
ELSEWHERE = "123456789012.dkr-ecr.eu-west-2.on.aws"


def read(body: Any, *registries: str) -> list[Decision]:
    first, *further = (Host(each) for each in registries or ("",))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(EcrDialect().read(Delivery(registry=first, further=tuple(further), headers={}, body=raw)))


def registry(body: Any, *registries: str) -> str:
    (decision,) = read(body, *registries)
    return decision.push.registry if isinstance(decision, Pushed) else getattr(decision, "reason", "")


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-west-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
    ],
)
def test_each_of_amazons_partitions_has_its_domain(region: str, domain: str) -> None:
    """An event names account and region, and no host."""
    assert registry({**EVENT, "region": region}) == f"123456789012.dkr.ecr.{region}.{domain}"


@pytest.mark.parametrize(
    "name",
    [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com",
        "123456789012.dkr-ecr.eu-west-1.on.aws",
    ],
)
def test_a_registry_is_known_by_each_of_its_names(name: str) -> None:
    """Whichever is configured; another account's or region's is another registry under all of them."""
    assert registry(EVENT, name) == name
    assert registry(EVENT, ELSEWHERE, name) == name
    assert registry({**EVENT, "account": "999999999999"}, name) == "host-mismatch"
    assert registry({**EVENT, "region": "eu-west-2"}, name) == "host-mismatch"
    assert registry({**EVENT, "region": "eu-west-2"}, name, ELSEWHERE) == ELSEWHERE


@pytest.mark.parametrize(
    "body",
    [
        NOTIFICATION,
        RECORD,
        [RECORD],
        {"Records": [RECORD]},
        {"Records": [{"EventSource": "aws:sns", "Sns": NOTIFICATION}]},
        [{**RECORD, "body": json.dumps(NOTIFICATION)}],
        b"\xef\xbb\xbf" + json.dumps(EVENT, indent=1).replace("\n", "\r\n").encode(),
    ],
)
def test_an_event_is_read_out_of_whatever_it_came_in(body: Any) -> None:
    """SNS, and the records that a pipe or a function passes on, of both and in any order."""
    assert read(body) == read(EVENT)


def test_what_came_together_is_decided_one_by_one() -> None:
    """In order; an envelope without JSON rejects none of its neighbours, and one inside of too many is not an event."""
    deep: dict[str, Any] = EVENT
    for _ in range(5):
        deep = {"body": json.dumps(deep)}
    decisions = read([EVENT, {**RECORD, "body": "{"}, {**RECORD, "body": "[]"}, deep, EVENT])
    assert [getattr(each, "reason", "") for each in decisions] == ["", "invalid-json", "invalid-event", "other-source", ""]
    assert read([]) == [Ignored(reason="empty")]


def test_a_detail_that_stands_alone_is_about_the_only_registry() -> None:
    """A rule that passes on `$.detail` leaves account and region out: with several registries nothing says which is meant."""
    name = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert registry(DETAIL, name) == name
    assert registry({**DETAIL, "action-type": "REPLICATE"}, name) == name
    assert registry({"sync-status": "SUCCESS", "repository-name": "hub/alpine", "image-tag": "3"}, name) == name
    assert registry({**DETAIL, "result": "FAILURE"}, name) == "not-successful"
    (decision,) = read(DETAIL, name, ELSEWHERE)
    assert isinstance(decision, Rejected)
    assert decision.reason == "host-missing"


@pytest.mark.parametrize(
    ("manifest", "artifact", "doubt"),
    [
        ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json", ""),
        ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json", ""),
        ("application/vnd.oci.image.manifest.v1+json", "application/vnd.cncf.helm.config.v1+json", "artifact"),
        ("application/vnd.oci.image.manifest.v1+json", "", ""),
        ("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.index.v1+json", ""),
    ],
)
def test_a_chart_is_no_image(manifest: str, artifact: str, doubt: str) -> None:
    """What the configuration of a manifest is, the event says; that may only delay."""
    (decision,) = read({**EVENT, "detail": {**DETAIL, "manifest-media-type": manifest, "artifact-media-type": artifact}})
    assert isinstance(decision, Pushed)
    assert (decision.doubt, decision.push.media_type) == (doubt, manifest)
