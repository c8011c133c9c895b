"""A token service for a docker-registry, which believes what it signs.

Spec: distribution "Token Authentication Specification", "Token Authentication Implementation".
"""

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.doubles.certificates import Authority

ISSUER = "token-service"
SERVICE = "registry.test"
SECONDS = 300


@dataclass
class TokenService:
    """Gives everybody tokens, of what they ask for only `granted`. `auth` is for the configuration of the registry."""

    url: str
    auth: Mapping[str, Any]
    granted: set[str] = field(default_factory=lambda: {"pull"})


@contextmanager
def token_service(directory: Path) -> Iterator[TokenService]:
    """Serves on loopback until the block ends."""
    authority = Authority(directory)
    certificate, key = authority.issue("token-signer")
    chain = [base64.b64encode(x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)).decode()]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query).get("scope", [])
            now = int(time.time())
            claims = {"iss": ISSUER, "sub": "somebody", "aud": SERVICE, "exp": now + SECONDS, "nbf": now - 10, "iat": now}
            claims |= {"jti": uuid.uuid4().hex, "access": [_access(scope, service.granted) for scope in asked]}
            token = jwt.encode(claims, key.read_bytes(), "ES256", headers={"x5c": chain})
            body = json.dumps({"token": token, "expires_in": SECONDS}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}/token"
    auth = {"token": {"realm": url, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(authority.path)}}
    service = TokenService(url=url, auth=auth)
    thread = threading.Thread(target=server.serve_forever, name="token-service")
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _access(scope: str, granted: set[str]) -> dict[str, Any]:
    kind, name, actions = scope.split(":")
    return {"type": kind, "name": name, "actions": sorted(set(actions.split(",")) & granted)}
