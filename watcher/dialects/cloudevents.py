"""CloudEvents about images, for senders whose events are written for the purpose: a script, a bridge, an EventBridge transformer.

CloudEvents define the envelope only. Read of `data` are the names that such events have in practice: `repository`, `tag`, `digest`,
`registryUrl`, `mediaType`, `actor`, and Amazon ECR's `repositoryName`, `imageTag` and `imageDigest`. Where `data` names no
repository, `subject` may, as `REPOSITORY[:TAG][@DIGEST]`.
"""

import re
from collections.abc import Sequence
from typing import Any

from watcher.dialects.cloudevent import CloudEvent, each_cloudevent, handshake
from watcher.dialects.fields import authority, deleted, object_of, present, pushed, text
from watcher.dialects.image_name import split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

# Words of a type: `container.image.push`, `com.amazon.ecr.image.push.v1`, `com.example.ImagePushed`.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
SUBJECTS = frozenset({"image", "container", "artifact", "ecr"})
PUSHES = frozenset({"push", "pushed", "published"})
DELETIONS = frozenset({"delete", "deleted"})


class CloudeventsDialect:
    """Reads structured and binary events, and batches. The type decides: it has to speak of an image and of its push."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        shaken = handshake(delivery)
        return [shaken] if shaken else each_cloudevent(delivery, lambda event: _read(event, delivery))


def _read(event: CloudEvent, delivery: Delivery) -> Decision:
    words = frozenset(word.lower() for word in _WORD.findall(event.type))
    if not words & SUBJECTS or not words & (PUSHES | DELETIONS):
        return Ignored(reason="other-type", event_id=event.event_id)
    data = object_of(event.data)
    place = {**_place(event, data), "event_id": event.event_id}
    if words & DELETIONS:
        return deleted(delivery, **place)
    return pushed(delivery, **place, media_type=data.get("mediaType"), actor=data.get("actor"), occurred_at=event.time)


def _place(event: CloudEvent, data: dict[str, Any]) -> dict[str, Any]:
    host = text(data.get("registryUrl")) or text(data.get("registry"))
    if host is not None and "://" in host:
        host = authority(host)
    repository = data.get("repositoryName") or data.get("repository")
    if repository:
        tag, digest = data.get("imageTag") or data.get("tag"), data.get("imageDigest") or data.get("digest")
        return {"host": host, "repository": repository, "tag": tag, "digest": digest}
    image = split_image(present(event.subject, "subject") or "")
    return {"host": host or image.host, "repository": image.repository, "tag": image.tag, "digest": image.digest}
