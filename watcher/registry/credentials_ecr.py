"""Tokens of Amazon ECR: good for twelve hours, for every registry that the identity may use, shown as a password.

Permissions: ecr:GetAuthorizationToken; for the public gallery ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import structlog

from watcher.kit.secret import Secret
from watcher.model.amazon import ECR_HOST
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.model.reference import Host
from watcher.registry.aside import Aside
from watcher.registry.credentials import Credentials
from watcher.registry.settings import EcrAuth

log = structlog.get_logger(__name__)

# Loading the SDK takes a second, each of up to three services answers within ten or is tried again.
ANSWER_SECONDS = 60.0
PUBLIC_HOST = "public.ecr.aws"
PUBLIC_REGION = "us-east-1"  # the one region that gives out tokens for the public gallery
SESSION_NAME = "registry-watcher"  # appears in the account's audit log

_PASSING = frozenset({"ThrottlingException", "Throttling", "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure"})


class EcrSource:
    """The AWS chain of this machine, perhaps as another role. `needed` says whether an empty chain is an error."""

    def __init__(self, registry: Host, settings: EcrAuth, *, needed: bool) -> None:
        """Raises ConfigurationError: the region is neither in the host nor in the settings."""
        matched = ECR_HOST.fullmatch(registry)
        self._public = registry == PUBLIC_HOST
        region = PUBLIC_REGION if self._public else settings.region or (matched["region"] if matched else None)
        if region is None:
            raise ConfigurationError(f"registry {registry}: auth: {{type: ecr}} needs `region`, which is not part of this host")
        self._registry = registry
        self._region = region
        self._settings = settings
        self._needed = needed
        self._aside = Aside(self._token, name=f"ecr token of {registry}", timeout_seconds=ANSWER_SECONDS)

    async def fetch(self) -> Credentials | None:
        """See `CredentialSource`."""
        return await self._aside.ask()

    def _token(self) -> Credentials | None:
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError, NoCredentialsError

        try:
            return self._ask()
        except NoCredentialsError as error:
            if not self._needed:
                return None
            raise AuthenticationError(f"{self._registry}: this machine has no AWS credentials") from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "")) or "an error"
            what = f"{self._registry}: AWS answered {code} to {error.operation_name}"
            if code in _PASSING:
                raise RegistryUnavailableError(what) from error
            if not self._needed:
                # Whoever has an identity for something else may still pull what is public.
                log.warning("credentials.skipped", registry=self._registry, reason=what)
                return None
            raise AuthenticationError(what) from error
        except (EndpointConnectionError, HTTPClientError) as error:
            raise RegistryUnavailableError(f"{self._registry}: AWS cannot be reached ({type(error).__name__})") from error
        except BotoCoreError as error:
            raise AuthenticationError(f"{self._registry}: no AWS credentials to be had ({type(error).__name__})") from error

    def _ask(self) -> Credentials:
        import boto3

        session = boto3.session.Session()
        if self._settings.role_arn is not None:
            more = {"ExternalId": self._settings.external_id} if self._settings.external_id else {}
            sts = self._client(session, "sts")
            try:
                assumed = sts.assume_role(RoleArn=self._settings.role_arn, RoleSessionName=SESSION_NAME, **more)["Credentials"]
            finally:
                sts.close()
            session = boto3.session.Session(
                aws_access_key_id=assumed["AccessKeyId"],
                aws_secret_access_key=assumed["SecretAccessKey"],
                aws_session_token=assumed["SessionToken"],
            )
        ecr = self._client(session, "ecr-public" if self._public else "ecr")
        try:
            answer = ecr.get_authorization_token()
        finally:
            ecr.close()
        return _credentials(answer, self._registry)

    def _client(self, session: Any, service: str) -> Any:
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
        return session.client(service, region_name=self._region, endpoint_url=self._settings.endpoint_url, config=config)


def _credentials(answer: dict[str, Any], registry: Host) -> Credentials:
    """The token is `AWS:<password>` in base64; the public gallery gives one, private registries a list of one."""
    try:
        data = answer["authorizationData"]
        data = data[0] if isinstance(data, list) else data
        username, colon, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        expires: datetime = data["expiresAt"]
    except (KeyError, IndexError, binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        # The cause is left out: its text could quote the token.
        raise AuthenticationError(f"{registry}: AWS gave a token that is none")
    lifetime = (expires - datetime.now(UTC)).total_seconds()
    return Credentials(username=username, password=Secret(password), lifetime_seconds=max(lifetime, 0.0))
