"""An issuer of OpenID Connect tokens, as Google is for Pub/Sub's push: its keys, and tokens signed with them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from watcher.kit.clock import Clock, utc_now
from watcher.testing.senders.announcement import Request

ISSUER = "https://accounts.google.com"
EMAIL = "watcher-push@my-project.iam.gserviceaccount.com"
KEY_ID = "k1"


class TokenIssuer:
    """Signs for one audience."""

    def __init__(self, audience: str, *, email: str = EMAIL, clock: Clock = utc_now) -> None:
        self.audience = audience
        self.email = email
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def keys(self) -> Mapping[str, Any]:
        """The public keys, in the form of RFC 7517."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]}

    def token(self, **changes: Any) -> str:
        now = self._clock()
        claims = {
            "iss": ISSUER,
            "aud": self.audience,
            "email": self.email,
            "email_verified": True,
            "sub": "113774264463038321964",
            "iat": now,
            "exp": now + timedelta(hours=1),
        }
        return jwt.encode({**claims, **changes}, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def prove(self, request: Request, _secret: str) -> Request:
        """There is no secret: who signed says it all."""
        return replace(request, headers={**request.headers, "Authorization": f"Bearer {self.token()}"})
