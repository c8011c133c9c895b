"""Docker Hub's webhooks: one for each tag, without a digest, an id or a signature. Pure.

`callback_url` is a relic; nothing is ever sent there. https://docs.docker.com/docker-hub/repos/manage/webhooks/
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import decided, each_event, object_of, present, pushed, unix_moment
from watcher.dialects.image_name import official
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision
from watcher.model.reference import DOCKER_HUB

# `media_type`, where there is one, is that of the configuration: any other than these belongs to nothing that runs.
IMAGE_CONFIGS = frozenset({"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"})


class DockerhubDialect:
    """Reads a push. Of an image with several platforms there are several that say the same."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(delivery, lambda body: each_event([body], lambda event: _read(event, delivery), lambda _: None))


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    data, repository = object_of(event.get("push_data")), present(object_of(event.get("repository")).get("repo_name"), "repository")
    kind = data.get("media_type")
    return pushed(
        delivery,
        host=DOCKER_HUB,
        repository=repository and official(repository),
        tag=data.get("tag"),
        media_type=kind,
        actor=data.get("pusher"),
        occurred_at=unix_moment(data.get("pushed_at")),
        doubt="" if kind is None or kind in IMAGE_CONFIGS else "artifact",
    )
