"""A topic of Amazon SNS as a receiver sees it: messages signed with a key whose certificate is at a URL."""

import base64
import json
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from watcher.kit.clock import Clock
from watcher.model.moments import iso
from watcher.testing.senders.announcement import Request

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ecr-events"
CERTIFICATE_NAME = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
CERTIFICATE_URL = f"https://sns.eu-west-1.amazonaws.com/{CERTIFICATE_NAME}"


class SigningTopic:
    """`topic` and `certificate_url` are what its messages say; `clock` is Amazon's."""

    def __init__(self, clock: Clock, *, topic: str = TOPIC, certificate_url: str = CERTIFICATE_URL, key_bits: int = 2048) -> None:
        self.clock = clock
        self.topic = topic
        self.certificate_url = certificate_url
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=key_bits)
        self.pem = certificate(self.key, clock() - timedelta(days=1), clock() + timedelta(days=30))

    def message(self, kind: str = "Notification", *, version: str = "2", **changes: Any) -> dict[str, Any]:
        """A signed message. `changes` are made before it is signed; None leaves a key out."""
        usual: dict[str, Any] = {
            "Type": kind,
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf321",
            "TopicArn": self.topic,
            "Message": '{"detail": "é\\n"}',
            "Timestamp": iso(self.clock()),
            "SignatureVersion": version,
            "SigningCertURL": self.certificate_url,
        }
        if kind != "Notification":
            usual |= {
                "Token": "2336412f37fb687f",
                "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
            }
        message = {key: value for key, value in {**usual, **changes}.items() if value is not None}
        return {**message, "Signature": self._signature(message)}

    def body(self, kind: str = "Notification", *, version: str = "2", **changes: Any) -> bytes:
        return json.dumps(self.message(kind, version=version, **changes), indent=2).encode()

    def prove(self, request: Request, _secret: str) -> Request:
        """The body as a notification. There is no secret: who signed says it all."""
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-topic-arn": self.topic,
        }
        body = self.body(Message=request.body.decode(), MessageId=str(uuid.uuid4()))
        return replace(request, body=body, headers=headers)

    def _signature(self, message: dict[str, Any]) -> str:
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if message["Type"] != "Notification":
            names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        algorithm = hashes.SHA1() if message.get("SignatureVersion") == "1" else hashes.SHA256()  # noqa: S303 -- what SNS signs with
        return base64.b64encode(self.key.sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()


def certificate(key: rsa.RSAPrivateKey, not_before: datetime, not_after: datetime) -> bytes:
    """PEM, signed by itself: Amazon's is believed for where it comes from."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(not_before).not_valid_after(not_after)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
