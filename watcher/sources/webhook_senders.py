"""What each sender expects of whoever it posts to, in one table: by the name of its dialect.

Sources: the documentation and code of the senders, as far as they have any; what is documented nowhere is answered 202.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

ANY_SIGNATURE = "X-Signature"
# A form of a sender has one field; what has more than this is not worth taking apart.
MAX_FORM_FIELDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How a sender signs a body: HMAC in hexadecimal digits.

    `prefixes` has every header that may carry it, with what stands before the digits. `payload_field` names the field of a form
    or of the query string whose value is signed where the request has no other body; else the raw body is.
    """

    prefixes: Mapping[str, str]
    algorithm: str = "sha256"
    header_is_free: bool = False
    payload_field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """`status` is what success is; 204 has no body. `instead` says how a sender that cannot sign proves itself.

    `refuses_formats`: an unknown format of CloudEvents is answered 415, as the sender's specification wants it.
    """

    status: int = 202
    methods: frozenset[str] = frozenset({"POST"})
    signature: Signature | None = None
    instead: str = ""
    refuses_formats: bool = False
    sends_sns: bool = False


_FREE = Signature(prefixes={ANY_SIGNATURE: "sha256="}, header_is_free=True)
_HANDSHAKE = frozenset({"POST", "OPTIONS"})
_HEADER = "it sends a fixed header: use {type: bearer}"
_URL_ONLY = "it knows nothing but a URL: use {type: path-token}"

# Distribution and GitLab repeat what is not 2xx for ever, Quay switches itself off after three; Event Grid, SNS and Pub/Sub drop
# what is answered with the wrong 4xx. So whoever has proved itself gets a success, and 503 when the trouble is ours.
SENDERS: Mapping[str, Sender] = {
    "distribution": Sender(instead=_HEADER),
    "gitlab": Sender(instead=_HEADER),
    "harbor": Sender(instead=_HEADER),
    "acr": Sender(instead=_HEADER),
    "zot": Sender(instead="it sends a user name and password or a fixed header: use {type: basic} or {type: bearer}"),
    "dockerhub": Sender(instead=_URL_ONLY),
    "quay": Sender(instead="it knows nothing but a URL: use {type: path-token} or {type: basic}"),
    "alibaba": Sender(instead=_URL_ONLY),
    # 200 to 204 are success; a handshake by OPTIONS comes before CloudEvents.
    "eventgrid": Sender(
        status=200, methods=_HANDSHAKE, instead="use {type: path-token}, or {type: bearer} with `query` or `header`"
    ),
    # By SNS, or by an EventBridge API destination.
    "ecr": Sender(status=200, sends_sns=True, instead="use {type: sns}, or {type: bearer} for an API destination"),
    # 102, 200, 201, 202 and 204 acknowledge; the documentation shows 204.
    "gar": Sender(status=204, instead="Pub/Sub signs with a token of its service account: use {type: oidc}"),
    "ghcr": Sender(signature=Signature(prefixes={"X-Hub-Signature-256": "sha256="})),
    # The hook's "HTTP method" is POST or GET. It signs the JSON also where that is inside of a form or of the query string.
    "gitea": Sender(
        methods=frozenset({"POST", "GET"}),
        signature=Signature(
            prefixes={"X-Gitea-Signature": "", "X-Forgejo-Signature": "", "X-Hub-Signature-256": "sha256="}, payload_field="payload"
        ),
    ),
    "artifactory": Sender(signature=Signature(prefixes={"X-JFrog-Event-Auth": ""})),
    # It knows no other algorithm.
    "nexus": Sender(signature=Signature(prefixes={"X-Nexus-Webhook-Signature": ""}, algorithm="sha1")),
    # Its default method is GET, with a body.
    "diun": Sender(methods=frozenset({"GET", "POST", "PUT"}), instead=_HEADER),
    "cloudevents": Sender(methods=_HANDSHAKE, signature=_FREE, refuses_formats=True),
    "cdevents": Sender(methods=_HANDSHAKE, signature=_FREE),
    "generic": Sender(methods=frozenset({"POST", "PUT"}), signature=_FREE),
}


def is_unknown_format(content_type: str) -> bool:
    """Whether a CloudEvent is written in an event format that is not JSON (Avro, Protobuf, XML).

    Spec: CloudEvents 1.0 HTTP protocol binding 3.2, HTTP webhook 2.2.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("application/cloudevents") and not media_type.endswith(("/cloudevents", "-batch", "+json"))


def payload_of(field_name: str, *, body: bytes, content_type: str, query: str) -> bytes | None:
    """The value of `field_name`: of a form's only field, or in the query string of a request without a body. Else None.

    A name that is there twice means one thing to us and may mean another to whoever reads it next, so it means nothing.
    """
    is_form = content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
    if body and not is_form:
        return None
    try:
        # Latin-1 there and back keeps every byte as it was signed.
        fields = parse_qsl(
            body.decode("latin-1") if body else query, keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError:
        return None
    values = [value for name, value in fields if name == field_name]
    if len(values) != 1 or (body and len(fields) != 1):
        return None
    return values[0].encode("latin-1", "replace")
