"""AdmissionReview v1 as pure functions: which images a request brings in, and the answer.

Spec: admission.k8s.io/v1; kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from watcher.kit.printable import one_line
from watcher.model.errors import PermanentError

API_VERSION = "admission.k8s.io/v1"
JUDGED_OPERATIONS = frozenset({"CREATE", "UPDATE"})
# The API server cuts a warning at 256 characters, and all of them together at 4096.
WARNING_CHARACTERS = 256
MAX_WARNINGS = 16
MESSAGE_CHARACTERS = 4096
# Of who asks, as the log names him: `system:serviceaccount:NAMESPACE:NAME` has 63 characters in each of its names.
USER_CHARACTERS = 160
# The longest name that Kubernetes allows; whoever knows the address may send another.
NAME_CHARACTERS = 253

# Where the pod specification is, by kind. A kind that is not here brings no image in.
POD_SPECS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"), ("spec", "template", "spec")
    ),
}


class MalformedReviewError(PermanentError):
    """Not an AdmissionReview: answered 400, so that the cluster's failurePolicy decides."""

    reason = "malformed-review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """`images` are new in this request, in order, each once; `user` is who asks the cluster.

    Only pods are enforced: a workload's controller would go on trying to create pods while its author has long been told that all
    is well, so a workload is warned about.
    """

    uid: str
    operation: str
    kind: str
    namespace: str
    name: str
    user: str
    images: tuple[str, ...]

    @property
    def enforced(self) -> bool:
        return self.kind == "Pod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`denials` and `warnings` are sentences; `notes` goes into the audit log, keys as Kubernetes allows them."""

    denials: Sequence[str] = ()
    warnings: Sequence[str] = ()
    notes: Mapping[str, str] | None = None


def parse_review(body: bytes) -> Review:
    """Raises MalformedReviewError: no JSON, no AdmissionReview v1, no uid, or an object of the wrong shape."""
    try:
        review = msgspec.json.decode(body)
        request = review["request"]
        uid = request["uid"]
        if review["apiVersion"] != API_VERSION or review["kind"] != "AdmissionReview" or not isinstance(uid, str) or not uid:
            raise MalformedReviewError(f"expected an AdmissionReview of {API_VERSION} with a request uid")
        kind = str(request["kind"]["kind"])
        operation = str(request["operation"])
        images: tuple[str, ...] = ()
        if operation in JUDGED_OPERATIONS and kind in POD_SPECS:
            old = request.get("oldObject") if operation == "UPDATE" else None
            known = set(_images(old, kind)) if old is not None else set()
            images = tuple(dict.fromkeys(image for image in _images(request["object"], kind) if image not in known))
        return Review(
            uid=uid,
            operation=operation,
            kind=kind,
            namespace=str(request.get("namespace") or "")[:NAME_CHARACTERS],
            name=str(request.get("name") or "")[:NAME_CHARACTERS],
            user=str((request.get("userInfo") or {}).get("username") or "")[:USER_CHARACTERS],
            images=images,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedReviewError(f"not an AdmissionReview: {error!r:.100}") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedReviewError(f"not JSON: {error!s:.100}") from error


def render(review: Review, answer: Answer) -> dict[str, Any]:
    """The body to answer with, always under HTTP 200: any other status leaves it to the cluster's failurePolicy.

    Each text is one line that can be seen whole: warnings are sent in a header, all of them are printed by `kubectl`.
    """
    denied = bool(answer.denials) and review.enforced
    warnings = [*([] if denied else answer.denials), *answer.warnings][:MAX_WARNINGS]
    response: dict[str, Any] = {"uid": review.uid, "allowed": not denied}
    if denied:
        message = one_line("; ".join(answer.denials))[:MESSAGE_CHARACTERS]
        response["status"] = {"code": 403, "reason": "Forbidden", "message": message}
    if warnings:
        response["warnings"] = [one_line(warning)[:WARNING_CHARACTERS] for warning in warnings]
    if answer.notes:
        response["auditAnnotations"] = {name: one_line(note) for name, note in answer.notes.items()}
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}


def _images(resource: dict[str, Any], kind: str) -> list[str]:
    """Init containers, containers, ephemeral containers and image volumes. Raises TypeError or AttributeError on a wrong shape."""
    spec: Any = resource
    for step in POD_SPECS[kind]:
        spec = {} if (inner := spec.get(step)) is None else inner
    found = [
        container.get("image")
        for field in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(field) or []
    ]
    found += [(volume.get("image") or {}).get("reference") for volume in spec.get("volumes") or []]
    if not all(isinstance(image, str) or image is None for image in found):
        raise TypeError("an image is not text")
    # A template may leave an image out for its operator to fill in; the pod that comes of it is judged.
    return [image for image in found if image]
