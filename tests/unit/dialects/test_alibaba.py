"""Alibaba Cloud: an event names a region, of which a region has many registries."""

import json

import pytest

from watcher.dialects.alibaba import AlibabaDialect
from watcher.dialects.protocol import Delivery
from watcher.model.push import Pushed, Rejected
from watcher.model.reference import Host

BEIJING = "shop-registry.cn-beijing.cr.aliyuncs.com"


def registry(region: str, *registries: str) -> str:
    first, *further = (Host(each) for each in registries or ("",))
    event = {
        "push_data": {"tag": "v1", "digest": "sha256:14bf0k"},
        "repository": {"namespace": "Team", "name": "App", "region": region},
    }
    body = json.dumps(event).encode()
    (decision,) = AlibabaDialect().read(Delivery(registry=first, further=tuple(further), headers={}, body=body))
    assert isinstance(decision, Pushed | Rejected)
    if isinstance(decision, Rejected):
        return decision.reason
    assert decision.push.repository == "team/app"
    return decision.push.registry


@pytest.mark.parametrize(
    "name",
    [
        "registry.cn-hangzhou.aliyuncs.com",
        "registry-vpc.cn-hangzhou.aliyuncs.com",
        "registry-internal.cn-hangzhou.aliyuncs.com",
        "crpi-0a1b2c.cn-hangzhou.personal.cr.aliyuncs.com",
        "shop-registry.cn-hangzhou.cr.aliyuncs.com",
        "shop-registry-vpc.cn-hangzhou.cr.aliyuncs.com",
        "images.example.com",
    ],
)
def test_a_registry_is_meant_by_its_region(name: str) -> None:
    """Whatever its edition and its network; a domain of one's own says nothing of a region, and is the only one there."""
    assert registry("cn-hangzhou", name) == name


def test_another_region_is_another_registry() -> None:
    """Two instances in one region cannot be told apart, and nothing is guessed."""
    personal = "registry.cn-hangzhou.aliyuncs.com"
    assert registry("cn-beijing", personal) == "host-mismatch"
    assert registry("cn-beijing", personal, BEIJING) == BEIJING
    assert registry("cn-beijing", BEIJING, "other-registry.cn-beijing.cr.aliyuncs.com") == "host-missing"
    assert registry("cn-hangzhou") == personal
