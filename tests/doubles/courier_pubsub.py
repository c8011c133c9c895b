"""The subscription of Google Pub/Sub, as a courier."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.doubles.certificates import Authority
from tests.doubles.courier import Once
from tests.doubles.pubsub_server import EVERYWHERE, SUBSCRIPTION, PubsubServer

LARGEST_BYTES = 10_000_000


class PubsubCourier:
    """The double, with TLS and tokens."""

    name = "pubsub"
    largest = LARGEST_BYTES
    junk = bytes(range(256))
    bearable_seconds = 600.0

    def __init__(self, directory: Path) -> None:
        authority = Authority(directory, address=EVERYWHERE)
        certificate, key = authority.issue("server")
        self.environment: Mapping[str, str] = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(authority.path)}
        self._account = directory / "account.json"
        self._account.write_text(json.dumps(service_account()))
        self._server = PubsubServer(tls=grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())]))
        self._once = Once()
        self._server.hook = lambda method: method != "Acknowledge" or self._once.passes()
        self._server.start()

    def source(self, registry: str) -> str:
        where = f'subscription: "{SUBSCRIPTION}", endpoint: "{self._server.endpoint}", credentials_file: "{self._account}"'
        return f'{{type: pubsub, name: pubsub, registry: "{registry}", {where}}}'

    def publish(self, *bodies: bytes) -> None:
        self._server.publish(*bodies)

    def unsettled(self) -> int:
        main = self._server.main
        with main.lock:
            return len(main.waiting) + len(main.leases)

    def under_way(self) -> int:
        return len(self._server.main.leases)

    def give_up(self) -> None:
        self._server.main.forget_leases()

    def at_acknowledgement(self, do: Callable[[], None]) -> threading.Event:
        return self._once.arm(do)

    def set_clock(self, ahead_seconds: float) -> None:
        self._server.skew_seconds = ahead_seconds

    def end_identity(self) -> None:
        """A token; our key stays, and signs the next."""
        self._server.revoke_tokens()

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.kill()


def service_account() -> dict[str, str]:
    """What is in the file that Google writes, with a key that Google does not know."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    email = "watcher@p.iam.gserviceaccount.com"
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem,
        "client_email": email,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
