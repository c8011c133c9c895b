"""One push in the words of each sender, as they were recorded from it or as its documentation and code have them.

The dialects in `watcher/dialects` read these formats and say where each is written down.
"""

import base64
import json
import uuid
from typing import Any
from urllib.parse import quote, urlencode

from watcher.testing.notifications import EVENTS_TYPE
from watcher.testing.senders.announcement import Announcement, Request

JSON = {"Content-Type": "application/json"}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
ACCOUNT, REGION = "123456789012", "eu-west-1"


def request(body: Any, headers: dict[str, str] | None = None, **more: Any) -> Request:
    """`body` as compact JSON."""
    return Request(body=json.dumps(body, separators=(",", ":")).encode(), headers={**JSON, **(headers or {})}, **more)


def distribution(image: Announcement) -> Request:
    return request({"events": [_event(image)]}, {"Content-Type": EVENTS_TYPE})


def gitlab(image: Announcement) -> Request:
    event = _event(image)
    actor = {"name": image.actor, "user_type": "personal_access_token"}
    return request({"events": [{**event, "actor": actor}]}, {"Content-Type": EVENTS_TYPE})


def harbor(image: Announcement) -> Request:
    return request(
        {"type": "PUSH_ARTIFACT", "occur_at": image.seconds, "operator": image.actor, "event_data": _harbor_data(image)},
    )


def harbor_cloudevents(image: Announcement) -> Request:
    event = {
        **_cloudevent(image, kind="harbor.artifact.pushed", source="/projects/2/webhook/policies/15", data=_harbor_data(image)),
        "operator": image.actor,
        "requestid": str(uuid.uuid4()),
    }
    return request(event, {"Content-Type": "application/cloudevents+json"})


def dockerhub(image: Announcement) -> Request:
    return request(
        {
            "callback_url": f"http://{image.host}/u/{image.repository}/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/",
            "push_data": {"pushed_at": image.seconds, "pusher": image.actor, "tag": image.tag, "images": []},
            "repository": {
                "name": image.name,
                "namespace": image.owner,
                "repo_name": image.repository,
                "repo_url": f"http://{image.host}/r/{image.repository}",
                "status": "Active",
            },
        }
    )


def quay(image: Announcement) -> Request:
    return request(
        {
            "name": image.name,
            "repository": image.repository,
            "namespace": image.owner,
            "docker_url": f"{image.host}/{image.repository}",
            "homepage": f"http://{image.host}/repository/{image.repository}",
            "updated_tags": [image.tag],
        }
    )


def ghcr(image: Announcement) -> Request:
    package = {
        "id": 1,
        "name": image.name,
        "namespace": image.owner,
        "ecosystem": "CONTAINER",
        "package_type": "CONTAINER",
        "html_url": f"http://{image.host}/{image.owner}/packages/1",
        "package_version": {
            "id": 2,
            "version": image.digest,
            "name": image.digest,
            "package_url": f"{image.host}/{image.repository}:{image.tag}",
            "container_metadata": {
                "tag": {"name": image.tag, "digest": image.digest},
                "manifest": {"digest": image.digest, "media_type": image.media_type, "size": len(image.manifest)},
            },
        },
    }
    headers = {"X-GitHub-Event": "registry_package", "X-GitHub-Delivery": image.event_id, "User-Agent": "GitHub-Hookshot/e2b1b9c"}
    return request({"action": "published", "registry_package": package, "sender": {"login": image.actor}}, headers)


def gitea(image: Announcement) -> Request:
    """By GET, which has the event in its query string."""
    headers = {f"X-{name}-{key}": value for name in ("Forgejo", "Gitea", "GitHub") for key, value in _gitea(image).items()}
    body = {
        "action": "created",
        "package": {
            "owner": {"login": image.owner},
            "type": "container",
            "name": image.name,
            "version": image.tag,
            "html_url": f"http://{image.host}/{image.owner}/-/packages/container/{quote(image.name, safe='')}/{image.tag}",
            "created_at": image.time,
        },
        "sender": {"login": image.actor},
    }
    return Request(method="GET", body=b"", headers=headers, query=urlencode({"payload": json.dumps(body)}))


def acr(image: Announcement) -> Request:
    return request(_azure(image), {"Content-Type": "application/json; charset=utf-8", "User-Agent": "AzureContainerRegistry/1.0"})


def eventgrid(image: Announcement) -> Request:
    event = {
        "id": image.event_id,
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r",
        "subject": f"{image.repository}:{image.tag}",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": image.time,
        "data": {**_azure(image), "location": "westeurope"},
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }
    return request([event], {"Content-Type": "application/json; charset=utf-8", "aeg-event-type": "Notification"})


def eventgrid_cloudevents(image: Announcement) -> Request:
    source = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"
    event = _cloudevent(image, kind="Microsoft.ContainerRegistry.ImagePushed", source=source, data=_azure(image))
    return request(event, {**STRUCTURED, "aeg-event-type": "Notification"})


def ecr(image: Announcement) -> Request:
    """EventBridge's event: the body of a queue's message, or of an API destination's request."""
    return request(
        {
            "version": "0",
            "id": image.event_id,
            "detail-type": "ECR Image Action",
            "source": "aws.ecr",
            "account": ACCOUNT,
            "time": image.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [],
            "detail": {
                "result": "SUCCESS",
                "repository-name": image.repository,
                "image-digest": image.digest,
                "action-type": "PUSH",
                "image-tag": image.tag,
                "manifest-media-type": image.media_type,
                "artifact-media-type": "application/vnd.oci.image.config.v1+json",
            },
        }
    )


def gar(image: Announcement) -> Request:
    """The data of a message: Pub/Sub gives it id and time."""
    name = f"{image.host}/{image.repository}"
    return request({"action": "INSERT", "digest": f"{name}@{image.digest}", "tag": f"{name}:{image.tag}"})


def gar_push(image: Announcement) -> Request:
    message = {
        "data": base64.b64encode(gar(image).body).decode(),
        "messageId": image.event_id,
        "message_id": image.event_id,
        "publishTime": image.time,
        "publish_time": image.time,
    }
    return request({"message": message, "subscription": "projects/p/subscriptions/watcher"}, {"User-Agent": "APIs-Google"})


def artifactory(image: Announcement) -> Request:
    data = {
        "repo_key": image.owner,
        "path": f"{image.name}/{image.tag}/manifest.json",
        "name": "manifest.json",
        "sha256": image.digest.partition(":")[2],
        "size": len(image.manifest),
        "image_name": image.name,
        "tag": image.tag,
        "platforms": [],
        "image_type": "oci",
    }
    about = {"subscription_key": "watcher", "jpd_origin": f"http://{image.host}", "source": f"jfrog/{image.actor}"}
    return request({"domain": "docker", "event_type": "pushed", "data": data, **about})


def nexus(image: Announcement) -> Request:
    body = {
        "timestamp": image.at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "nodeId": "8C4F3E91-CD46AFE0-61B8403D-94526884-19AC4E06",
        "initiator": f"{image.actor}/192.0.2.1",
        "repositoryName": "docker-hosted",
        "action": "CREATED",
        "component": {"id": "c770169c", "format": "docker", "name": image.repository, "version": image.tag},
    }
    headers = {"X-Nexus-Webhook-Id": "rm:repository:component", "X-Nexus-Webhook-Delivery": image.event_id}
    return request(body, {"Content-Type": "application/json; charset=UTF-8", **headers})


def zot(image: Announcement) -> Request:
    data = {
        "actor": {"name": image.actor},
        "digest": image.digest,
        "manifest": image.manifest,
        "mediaType": image.media_type,
        "name": image.repository,
        "reference": image.tag,
        "request": {"addr": "192.0.2.10:53218", "method": "PUT", "useragent": "skopeo/1.16.1"},
    }
    return request(data, _binary(image, kind="zotregistry.image.updated", source="zotregistry.dev"))


def alibaba(image: Announcement) -> Request:
    data = {"digest": image.digest, "pushed_at": image.at.strftime("%Y-%m-%d %H:%M:%S"), "tag": image.tag}
    repository = {
        "name": image.name,
        "namespace": image.owner,
        "region": "cn-hangzhou",
        "repo_full_name": image.repository,
        "repo_type": "PRIVATE",
    }
    return request({"push_data": data, "repository": repository})


def diun(image: Announcement) -> Request:
    """By GET, which is its default, with a body."""
    body = {
        "diun_version": "4.29.0",
        "hostname": "diun",
        "status": "new",
        "provider": "file",
        "image": f"{image.host}/{image.repository}:{image.tag}",
        "hub_link": f"http://{image.host}/{image.repository}",
        "mime_type": image.media_type,
        "digest": image.digest,
        "created": image.time,
        "platform": "linux/amd64",
    }
    return request(body, method="GET")


def cloudevents(image: Announcement) -> Request:
    """A binary one."""
    return request(_image(image), _binary(image, kind="com.example.image.pushed", source="/ci"))


def cloudevents_structured(image: Announcement) -> Request:
    return request(_cloudevent(image, kind="com.example.image.pushed", source="/ci", data=_image(image)), STRUCTURED)


def cdevents(image: Announcement) -> Request:
    url = quote(f"{image.host}/{image.repository}", safe="")
    kind = "dev.cdevents.artifact.published.0.2.0"
    purl = f"pkg:oci/{image.repository.rpartition('/')[2]}@{quote(image.digest, safe='')}?repository_url={url}&tag={image.tag}"
    body = {
        "context": {"specversion": "0.5.1", "id": image.event_id, "source": "/ci", "type": kind, "timestamp": image.time},
        "subject": {"id": purl, "content": {"user": image.actor}},
    }
    return request(body, _binary(image, kind=kind, source="/ci"))


def generic(image: Announcement) -> Request:
    """What the mapping that `watcher init` writes reads."""
    return request({"image": f"{image.host}/{image.repository}:{image.tag}@{image.digest}"})


def _event(image: Announcement) -> dict[str, Any]:
    return {
        "id": image.event_id,
        "timestamp": image.time,
        "action": "push",
        "target": {
            "mediaType": image.media_type,
            "size": len(image.manifest),
            "digest": image.digest,
            "length": len(image.manifest),
            "repository": image.repository,
            "url": f"http://{image.host}/v2/{image.repository}/manifests/{image.digest}",
            "tag": image.tag,
        },
        "request": {"id": str(uuid.uuid4()), "addr": "192.0.2.1:39158", "host": image.host, "method": "PUT"},
        "actor": {"name": image.actor},
        "source": {"addr": image.host, "instanceID": str(uuid.uuid4())},
    }


def _harbor_data(image: Announcement) -> dict[str, Any]:
    url = f"{image.host}/{image.repository}:{image.tag}"
    about = {"name": image.name, "namespace": image.owner, "repo_full_name": image.repository, "repo_type": "private"}
    return {"resources": [{"digest": image.digest, "tag": image.tag, "resource_url": url}], "repository": about}


def _gitea(image: Announcement) -> dict[str, str]:
    return {"Delivery": image.event_id, "Event": "package", "Event-Type": "package"}


def _azure(image: Announcement) -> dict[str, Any]:
    event = _event(image)
    return {
        "id": image.event_id,
        "timestamp": image.time,
        "action": "push",
        "target": {key: value for key, value in event["target"].items() if key != "url"},
        "request": {key: event["request"][key] for key in ("id", "host", "method")},
    }


def _image(image: Announcement) -> dict[str, Any]:
    return {"registry": image.host, "repository": image.repository, "tag": image.tag, "digest": image.digest}


def _cloudevent(image: Announcement, *, kind: str, source: str, data: Any) -> dict[str, Any]:
    about = {"id": image.event_id, "source": source, "type": kind, "time": image.time, "datacontenttype": "application/json"}
    return {"specversion": "1.0", **about, "data": data}


def _binary(image: Announcement, *, kind: str, source: str) -> dict[str, str]:
    about = {"Id": image.event_id, "Source": source, "Type": kind, "Time": image.time, "Specversion": "1.0"}
    return {f"Ce-{name}": value for name, value in about.items()}
