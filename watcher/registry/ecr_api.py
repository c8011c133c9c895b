"""Amazon ECR's own API: a client of it as the settings say, and what its errors mean to us. Blocking; loads the SDK when used."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from watcher.model.amazon import ECR_HOST
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.model.reference import Host
from watcher.registry.settings import EcrAuth

PUBLIC_HOST = "public.ecr.aws"
PUBLIC_REGION = "us-east-1"  # the one region that answers for the public gallery
SESSION_NAME = "registry-watcher"  # appears in the account's audit log

_PASSING = frozenset({"ThrottlingException", "Throttling", "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure"})


class NoIdentityError(AuthenticationError):
    """This machine has no AWS identity at all."""


class DeniedError(AuthenticationError):
    """AWS knows the identity, and refuses it this."""


def region_of(registry: Host, settings: EcrAuth) -> str:
    """Raises ConfigurationError: it is neither in the host nor in the settings."""
    matched = ECR_HOST.fullmatch(registry)
    region = PUBLIC_REGION if registry == PUBLIC_HOST else settings.region or (matched["region"] if matched else None)
    if region is None:
        raise ConfigurationError(f"registry {registry}: auth: {{type: ecr}} needs `region`, which is not part of this host")
    return region


@contextmanager
def ecr_client(registry: Host, settings: EcrAuth, region: str, proxies: Mapping[str, str] | None = None) -> Iterator[Any]:
    """A client with the identity of this machine, perhaps as another role. What is done with it raises our errors.

    `proxies` are by scheme; None are those of the environment.

    Raises:
        NoIdentityError, DeniedError, RegistryUnavailableError
        AuthenticationError: there is something wrong with it.
    """
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError, NoCredentialsError

    try:
        service = "ecr-public" if registry == PUBLIC_HOST else "ecr"
        client = _client(_session(settings, region, proxies), service, settings, region, proxies)
        try:
            yield client
        finally:
            client.close()
    except NoCredentialsError as error:
        raise NoIdentityError(f"{registry}: this machine has no AWS credentials") from error
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "")) or "an error"
        what = f"{registry}: AWS answered {code} to {error.operation_name}"
        is_passing = code in _PASSING or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
        raise (RegistryUnavailableError if is_passing else DeniedError)(what) from error
    except (EndpointConnectionError, HTTPClientError) as error:
        raise RegistryUnavailableError(f"{registry}: AWS cannot be reached ({type(error).__name__})") from error
    except BotoCoreError as error:
        raise AuthenticationError(f"{registry}: no AWS credentials to be had ({type(error).__name__})") from error


def _session(settings: EcrAuth, region: str, proxies: Mapping[str, str] | None) -> Any:
    import boto3

    session = boto3.session.Session()
    if settings.role_arn is None:
        return session
    more = {"ExternalId": settings.external_id} if settings.external_id else {}
    sts = _client(session, "sts", settings, region, proxies)
    try:
        assumed = sts.assume_role(RoleArn=settings.role_arn, RoleSessionName=SESSION_NAME, **more)["Credentials"]
    finally:
        sts.close()
    return boto3.session.Session(
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )


def _client(session: Any, service: str, settings: EcrAuth, region: str, proxies: Mapping[str, str] | None) -> Any:
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=5, read_timeout=10, retries=retries, proxies=None if proxies is None else dict(proxies))
    return session.client(service, region_name=region, endpoint_url=settings.endpoint_url, config=config)
