"""Amazon ECR's tokens: the unmodified SDK against moto's server, and a registry that takes what comes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.moto import Moto, start_moto
from tests.doubles.proxy_server import proxy_server
from watcher.model.errors import AuthenticationError, ConfigurationError, RegistryUnavailableError
from watcher.model.reference import Host, RepositoryName
from watcher.registry.client import RegistryClient
from watcher.registry.credentials import Credentials
from watcher.registry.credentials_catalog import build_credentials
from watcher.registry.credentials_ecr import EcrSource
from watcher.registry.ecr_api import ecr_client
from watcher.registry.listing_catalog import build_listing
from watcher.registry.settings import EcrAuth, RegistrySettings
from watcher.testing.images import build_image, build_layer
from watcher.testing.registry import serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.timeout(60)

PRIVATE = Host("123456789012.dkr.ecr.eu-west-1.amazonaws.com")


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    """A server of this module's own, which may be told to look at permissions."""
    server = start_moto()
    yield server
    server.stop()


@pytest.fixture
def aws(moto: Moto) -> str:
    return moto.endpoint


@pytest.fixture(autouse=True)
def identity(aws_identity: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys in the environment, and nothing else of the machine's."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def shown(credentials: Credentials | None) -> tuple[str, str]:
    assert credentials is not None
    assert credentials.password is not None
    return credentials.username, credentials.password.reveal()


async def test_a_token_opens_the_registry(aws: str) -> None:
    """From the machine's AWS identity to an answer of the registry; where the token's end is past it is asked for each time."""
    gate = Gate(access=Access.BASIC, username="AWS", password="123456789012-auth-token")
    async with serve_registry(gate=gate) as registry:
        settings = RegistrySettings(host=registry.host, auth=EcrAuth(region="eu-west-1", endpoint_url=aws))
        async with RegistryClient(settings) as client:
            for _ in range(3):
                assert (await client.request("GET", "/v2/")).status == 200


async def test_the_region_is_that_of_the_host(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private registry's host has it; the SDK's own variable for the endpoint is honoured."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", aws)
    assert shown(await EcrSource(PRIVATE, EcrAuth(), needed=True).fetch()) == ("AWS", "123456789012-auth-token")


async def test_a_role_of_another_account(aws: str) -> None:
    """Assumed first: the token is that account's."""
    auth = EcrAuth(endpoint_url=aws, role_arn="arn:aws:iam::222222222222:role/pull", external_id="an-id")
    assert shown(await EcrSource(PRIVATE, auth, needed=True).fetch()) == ("AWS", "222222222222-auth-token")


async def test_the_public_gallery_has_a_service_of_its_own(aws: str) -> None:
    """Always in us-east-1; moto does not have it, and says so, which is no token and no crash."""
    with pytest.raises((AuthenticationError, RegistryUnavailableError)):
        await EcrSource(Host("public.ecr.aws"), EcrAuth(endpoint_url=aws), needed=True).fetch()


async def test_a_machine_without_an_identity(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks anonymously, unless the identity is what the registry is to be asked with."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert await EcrSource(PRIVATE, EcrAuth(endpoint_url=aws), needed=False).fetch() is None
    with pytest.raises(AuthenticationError, match="no AWS credentials"):
        await EcrSource(PRIVATE, EcrAuth(endpoint_url=aws), needed=True).fetch()


async def test_a_profile_that_is_not_there(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own errors stop here."""
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(AuthenticationError, match="ProfileNotFound"):
        await EcrSource(PRIVATE, EcrAuth(endpoint_url=aws), needed=True).fetch()


async def test_an_identity_without_the_right(moto: Moto) -> None:
    """AWS's code is told; who has an identity for something else may still pull what is public."""
    moto.checks_permissions(does=True)
    try:
        with pytest.raises(AuthenticationError, match=r"AWS answered \w+ to GetAuthorizationToken"):
            await EcrSource(PRIVATE, EcrAuth(endpoint_url=moto.endpoint), needed=True).fetch()
        assert await EcrSource(PRIVATE, EcrAuth(endpoint_url=moto.endpoint), needed=False).fetch() is None
    finally:
        moto.checks_permissions(does=False)


async def test_a_registry_s_own_proxy_is_for_its_tokens_too(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its password is shown to it; what the environment says does not matter."""
    async with proxy_server(password="s3cret") as proxy:
        auth = EcrAuth(endpoint_url=aws)
        monkeypatch.setenv("OWN_PROXY", proxy.url_with_password)
        settings = RegistrySettings(host=PRIVATE, auth=auth, proxy="env:OWN_PROXY")
        source = build_credentials(settings, no_fetch)
        assert shown(await source.fetch()) == ("AWS", "123456789012-auth-token")
        assert proxy.asked == [f"POST {aws}/"]


async def no_fetch(*_: object) -> bytes:
    raise AssertionError("asked by its SDK alone")


async def test_its_own_api_lists_what_no_tag_leads_to(aws: str) -> None:
    """By the same identity; of a repository that is not there, nothing."""
    async with serve_registry() as registry:
        auth = EcrAuth(region="eu-west-1", endpoint_url=aws)
        async with RegistryClient(RegistrySettings(host=registry.host, kind="ecr", auth=auth)) as client:
            pushed = [build_image([build_layer({"a": text})]) for text in "12"]
            with ecr_client(registry.host, auth, "eu-west-1") as ecr:
                ecr.create_repository(repositoryName="team/app")
                ecr.put_image(repositoryName="team/app", imageTag="v1", imageManifest=pushed[0].raw.decode())
                said = ecr.put_image(repositoryName="team/app", imageManifest=pushed[1].raw.decode())
            found = {digest async for digest in build_listing(client).digests(RepositoryName("team/app"))}
            assert found == {said["image"]["imageId"]["imageDigest"]}
            assert [digest async for digest in build_listing(client).digests(RepositoryName("team/none"))] == []


async def test_aws_is_down(unused_tcp_port: int) -> None:
    """An outage, for whoever asks."""
    auth = EcrAuth(endpoint_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(RegistryUnavailableError, match="cannot be reached"):
        await EcrSource(PRIVATE, auth, needed=False).fetch()


def test_a_host_that_has_no_region() -> None:
    """Has to be given one."""
    with pytest.raises(ConfigurationError, match="region"):
        EcrSource(Host("registry.example.com"), EcrAuth(), needed=True)
