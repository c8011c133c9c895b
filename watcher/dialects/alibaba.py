"""Alibaba Cloud Container Registry's triggers, which look like Docker Hub's and have a digest. Pure.

https://www.alibabacloud.com/help/en/acr/user-guide/use-webhooks
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import decided, each_event, object_of, present, pushed, text
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision


class AlibabaDialect:
    """Reads a push. Its time has no zone, so that it cannot be placed."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: each_event([body], lambda event: _read(event, delivery), lambda _: None))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    data, repository = object_of(event.get("push_data")), object_of(event.get("repository"))
    region = text(repository.get("region"))
    return pushed(
        delivery,
        host=f"registry.{region}.aliyuncs.com" if region else None,
        # The console keeps capitals, which no reference may have.
        repository=(present(repository.get("repo_full_name"), "repository") or "").lower(),
        tag=data.get("tag"),
        digest=data.get("digest"),
    )
