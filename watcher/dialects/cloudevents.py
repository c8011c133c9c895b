"""CloudEvents about images, for senders whose events are written for the purpose: a script, a bridge, an EventBridge transformer.

CloudEvents define the envelope only. Read of `data` are the names that such events have in practice: `repository`, `tag`, `digest`,
`registryUrl`, `mediaType`, `actor`, and Amazon ECR's `repositoryName`, `imageTag` and `imageDigest`. What of these is not there,
`data.image` or `subject` may say, as `[HOST/]REPOSITORY[:TAG][@DIGEST]`. A `source` that is a repository of ECR says where it is.
"""

import re
from collections.abc import Sequence
from typing import Any

from watcher.dialects.cloudevent import CloudEvent, each_cloudevent, handshake
from watcher.dialects.ecr_host import ecr_host
from watcher.dialects.fields import authority, deleted, digest_beside, object_of, present, pushed, text
from watcher.dialects.image_name import split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

# Words of a type: `container.image.push`, `com.amazon.ecr.image.push.v1`, `com.example.ImagePushed`.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
# As an EventBridge transformer puts it together, and as AWS writes it.
_ECR = re.compile(r"(?:urn:aws|arn:aws[a-z-]*):ecr:(?P<region>[a-z0-9-]+):(?P<account>[0-9]+):.*")
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
    place = {**_place(event, data, delivery), "event_id": event.event_id}
    if words & DELETIONS:
        return deleted(delivery, **place)
    return pushed(delivery, **place, media_type=data.get("mediaType"), actor=data.get("actor"), occurred_at=event.time)


def _place(event: CloudEvent, data: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
    host = text(data.get("registryUrl")) or text(data.get("registry"))
    if host is not None and "://" in host:
        host = authority(host)
    image = split_image(present(data.get("image"), "image") or present(event.subject, "subject") or "")
    repository = data.get("repositoryName") or data.get("repository") or image.repository
    if repository != image.repository:  # a subject may be anything else
        image = split_image("")
    ecr = _ECR.fullmatch(event.source)
    tag = data.get("imageTag") or data.get("tag") or image.tag
    return {
        "host": host or image.host or (ecr_host(ecr["account"], ecr["region"], delivery) if ecr else None),
        "repository": repository,
        "tag": tag,
        "digest": digest_beside(tag, data.get("imageDigest") or data.get("digest") or image.digest),
    }
