"""What each sender expects of whoever it posts to, in one table: by the name of its dialect.

Sources: the documentation and code of the senders, as far as they have any; what is documented nowhere is answered 202.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """`status` is what success is; 204 has no body.

    `proofs` are the types of `auth` that it can satisfy, the best one first, each with where it is told to at the other side.
    `refused` is what becomes of an event that is answered 401, where that is worse than not being heard.
    `waits_seconds` is how long it may be kept waiting for its answer while nothing can be stored: less than it waits itself, by
    its documentation or by what HTTP clients have for a default, and 0 for one that comes again for hours.
    `refuses_formats`: an unknown format of CloudEvents is answered 415, as the sender's specification wants it.
    """

    status: int = 202
    methods: frozenset[str] = frozenset({"POST"})
    proofs: Mapping[str, str] = field(default_factory=dict)
    signature: Signature | None = None
    refused: str = ""
    waits_seconds: float = 4.0
    refuses_formats: bool = False

    @property
    def sends_sns(self) -> bool:
        return "sns" in self.proofs

    @property
    def instead(self) -> str:
        """What a sender that cannot sign can do, in words."""
        return ", or ".join(f"{{type: {kind}}} ({where})" for kind, where in self.proofs.items())


_FREE = Signature(prefixes={ANY_SIGNATURE: "sha256="}, header_is_free=True)
_HANDSHAKE = frozenset({"POST", "OPTIONS"})
_URL = "the URL `https://HOST/hooks/NAME/TOKEN`"
# Whoever writes the sender decides.
_ANYTHING = {
    "hmac": "`X-Signature`, or the header that `auth.header` names",
    "bearer": "`Authorization`, or the header that `auth.header` names",
    "basic": "user name and password",
    "path-token": _URL,
}

# Distribution and GitLab repeat what is not 2xx for ever, Quay switches itself off after three; Event Grid, SNS and Pub/Sub drop
# what is answered with the wrong 4xx. So whoever has proved itself gets a success, and 503 when the trouble is ours.
SENDERS: Mapping[str, Sender] = {
    "distribution": Sender(
        proofs={"bearer": "`headers` of the notification endpoint"},
        refused="It is sent again for ever, and everything after it waits.",
        waits_seconds=0,
    ),
    "gitlab": Sender(
        proofs={"bearer": "`headers` of the notification endpoint, in gitlab.rb"},
        refused="It is sent again `maxretries` times (with the older `threshold` for ever), and everything after it waits.",
        waits_seconds=0,
    ),
    "harbor": Sender(proofs={"bearer": '"Auth Header" of the webhook policy, which is sent as it is'}, waits_seconds=2),
    "acr": Sender(proofs={"bearer": '"Custom headers" of the webhook, `Authorization` or any other'}),
    "zot": Sender(proofs={"basic": "`credentials` of the sink", "bearer": "`headers` of the sink"}),
    "dockerhub": Sender(proofs={"path-token": f"{_URL} is all it knows"}),
    "quay": Sender(
        proofs={"path-token": _URL, "basic": "the URL `https://USER:PASSWORD@HOST/hooks/NAME`"},
        refused="Three times in a row, and the notification is switched off until somebody enables it again.",
        waits_seconds=8,
    ),
    "alibaba": Sender(proofs={"path-token": f"{_URL} is all it knows"}),
    # 200 to 204 are success; a handshake by OPTIONS comes before CloudEvents.
    "eventgrid": Sender(
        status=200,
        methods=_HANDSHAKE,
        proofs={
            "path-token": _URL,
            "bearer": "the URL, with `query: code`, or a delivery property of the subscription as `header`",
        },
        refused="It is dropped at once.",
        waits_seconds=0,
    ),
    # By SNS, or by an EventBridge API destination.
    "ecr": Sender(
        status=200,
        proofs={
            "sns": "an HTTPS subscription of the topic, without raw message delivery",
            "bearer": '"API key" of an API destination\'s connection, with any `header`',
            "basic": '"Basic" of an API destination\'s connection',
        },
        refused="SNS drops it at once.",
    ),
    # 102, 200, 201, 202 and 204 acknowledge; the documentation shows 204.
    "gar": Sender(
        status=204,
        waits_seconds=0,
        proofs={"oidc": '"Enable authentication" of the push subscription, with a service account and an audience'},
    ),
    "ghcr": Sender(
        signature=Signature(prefixes={"X-Hub-Signature-256": "sha256="}),
        proofs={"hmac": '"Secret" of the webhook'},
        waits_seconds=8,
    ),
    # The hook's "HTTP method" is POST or GET. It signs the JSON also where that is inside of a form or of the query string.
    "gitea": Sender(
        methods=frozenset({"POST", "GET"}),
        signature=Signature(
            prefixes={"X-Gitea-Signature": "", "X-Forgejo-Signature": "", "X-Hub-Signature-256": "sha256="}, payload_field="payload"
        ),
        proofs={"hmac": '"Secret" of the webhook', "bearer": '"Authorization Header" of the webhook'},
    ),
    "artifactory": Sender(
        signature=Signature(prefixes={"X-JFrog-Event-Auth": ""}),
        proofs={
            "hmac": '"Secret token" of the webhook, with "Use secret for payload signing"',
            "bearer": "the same without it, with `header: X-JFrog-Event-Auth`",
        },
    ),
    # It knows no other algorithm.
    "nexus": Sender(
        signature=Signature(prefixes={"X-Nexus-Webhook-Signature": ""}, algorithm="sha1"),
        proofs={"hmac": '"Secret Key" of the webhook capability'},
    ),
    # Its default method is GET, with a body.
    "diun": Sender(methods=frozenset({"GET", "POST", "PUT"}), proofs={"bearer": "`headers` of the webhook notifier"}),
    "cloudevents": Sender(
        methods=_HANDSHAKE,
        signature=_FREE,
        proofs={**_ANYTHING, "bearer": "`Authorization`, or the query string with `query: access_token`"},
        refuses_formats=True,
    ),
    "cdevents": Sender(methods=_HANDSHAKE, signature=_FREE, proofs=_ANYTHING),
    "generic": Sender(methods=frozenset({"POST", "PUT"}), signature=_FREE, proofs=_ANYTHING),
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
