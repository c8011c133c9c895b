"""Alibaba Cloud Container Registry's triggers, which look like Docker Hub's and have a digest. Pure.

They name a region and no host, of which a region has many: the Personal Edition's, each instance of the Enterprise Edition's, and
their names inside of a VPC. https://www.alibabacloud.com/help/en/acr/user-guide/use-webhooks
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import decided, digest_beside, each_event, object_of, one_or_several, present, pushed, text
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision

DOMAIN = ".aliyuncs.com"


class AlibabaDialect:
    """Reads a push. Its time has no zone, so that it cannot be placed."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(
            delivery, lambda body: each_event(one_or_several(body), lambda event: _read(event, delivery), lambda _: None)
        )


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    data, repository = object_of(event.get("push_data")), object_of(event.get("repository"))
    return pushed(
        delivery,
        host=_host(text(repository.get("region")), delivery),
        repository=_name(repository),
        tag=data.get("tag"),
        digest=digest_beside(data.get("tag"), data.get("digest")),
    )


def _host(region: str | None, delivery: Delivery) -> str | None:
    """That of the source's registries which is in the region; None where none of them says where it is, or several are there."""
    bound = (delivery.registry, *delivery.further)
    local = [host for host in bound if region and region in host.removesuffix(DOMAIN).split(".")]
    if len(local) == 1:
        return local[0]
    is_told = region and not local and (not delivery.registry or any(host.endswith(DOMAIN) for host in bound))
    return f"registry.{region}{DOMAIN}" if is_told else None


def _name(repository: dict[str, Any]) -> str:
    """In lower case: the console keeps capitals, which no reference may have."""
    name = present(repository.get("repo_full_name"), "repository")
    if name is None:
        parts = (present(repository.get(part), "repository") for part in ("namespace", "name"))
        name = "/".join(part for part in parts if part)
    return name.lower()
