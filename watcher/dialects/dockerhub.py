"""Docker Hub's webhooks: one for each tag, without a digest, an id or a signature. Pure.

`callback_url` is a relic; nothing is ever sent there. https://docs.docker.com/docker-hub/repos/manage/webhooks/
"""

from collections.abc import Sequence
from typing import Any

from watcher.dialects.fields import decided, each_event, moment, object_of, one_or_several, present, pushed, text, unix_moment
from watcher.dialects.image_name import official, split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision
from watcher.model.reference import DOCKER_HUB

# How Docker Hub's pages, and with them its first webhooks, name the owner of an official image.
NOBODY = "_/"


class DockerhubDialect:
    """Reads a push. Of an image with several platforms there are several that say the same.

    `media_type`, where there is one, is that of the manifest or, of late, that of the configuration.
    """

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        return decided(
            delivery, lambda body: each_event(one_or_several(body), lambda event: _read(event, delivery), lambda _: None)
        )


def _read(event: dict[str, Any], delivery: Delivery) -> Decision:
    data = object_of(event.get("push_data"))
    host, repository = _place(object_of(event.get("repository")))
    when = data.get("pushed_at")
    return pushed(
        delivery,
        host=host,
        repository=repository,
        tag=data.get("tag"),
        media_type=data.get("media_type"),
        actor=data.get("pusher"),
        occurred_at=unix_moment(when) or moment(when),
    )


def _place(named: dict[str, Any]) -> tuple[str, str | None]:
    full = present(named.get("repo_name"), "repository")
    if full is None:
        owner, name = text(named.get("namespace")), text(named.get("name"))
        full = f"{owner}/{name}" if owner and name else name
    if full is None:
        return DOCKER_HUB, None
    image = split_image(full.removeprefix(NOBODY))
    return image.host or DOCKER_HUB, official(image.repository)
