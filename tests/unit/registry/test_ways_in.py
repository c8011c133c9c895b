"""Registries that offer several ways of authenticating, of which one leads in; over real connections."""

from collections.abc import Awaitable, Callable

import pytest
from multidict import MultiDict

from watcher.model.digest import digest_of
from watcher.model.errors import AuthenticationError
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.client import RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry
from watcher.testing.tokens import Access, Gate

pytestmark = pytest.mark.enable_socket

Connect = Callable[..., RegistryClient]
Drain = Callable[..., Awaitable[bytes]]
APP = RepositoryName("team/app")
LAYER = build_layer({"app": b"hello"})
IMAGE = build_image([LAYER])
STORED = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar", digest=digest_of(LAYER.raw), size=len(LAYER.raw))
AUTH = {"type": "basic", "username": "watcher", "password": "env:REGISTRY_PASSWORD"}


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "s3cret")


def offer(registry: MemoryRegistry, *challenges: str, times: int = 1) -> None:
    headers = MultiDict([("WWW-Authenticate", each) for each in challenges])
    registry.faults.add(Fault(path="/v2/team/.*", status=401, headers=headers, times=times))


async def pulled(client: RegistryClient, drain: Drain) -> bool:
    images = RegistryImages(client, APP)
    return await drain(images, STORED) == LAYER.raw and (await images.manifest(Tag("v1"))).raw == IMAGE.raw


@pytest.mark.parametrize("access", [Access.BASIC, Access.TOKEN])
async def test_headers_of_which_one_helps(access: Access, connect: Connect, drain: Drain) -> None:
    """Layers and manifests are had by what works."""
    async with serve_registry(gate=Gate(access=access)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        live = 'Basic realm="r"' if access is Access.BASIC else f'Bearer realm="{registry.url}/token"'
        offer(registry, "Negotiate", f'Bearer realm="{registry.url}/gone", Digest nonce="a,b"', "", live)
        assert await pulled(connect(registry, auth=AUTH), drain)


async def test_a_token_that_is_not_taken_beside_a_password_that_is(connect: Connect, drain: Drain) -> None:
    """The registry refuses what its own service issued; it is shown the password that it also asks for."""
    async with serve_registry(gate=Gate(access=Access.BASIC)) as registry:
        put_image(registry, APP, IMAGE, "v1")
        offer(registry, f'Bearer realm="{registry.url}/token",scope="repository:team/app:pull"', 'Basic realm="r"', times=2)
        assert await pulled(connect(registry, auth=AUTH), drain)


@pytest.mark.parametrize("realm", ["http://169.254.169.254/token", "http://0.0.0.0/token"])
async def test_nobody_is_sent_to_the_metadata_service(realm: str, connect: Connect) -> None:
    """Nor to an address that is none: asking without credentials is still asking."""
    async with serve_registry(gate=Gate(access=Access.TOKEN, realm=realm)) as registry:
        with pytest.raises(AuthenticationError, match="sends us to"):
            await RegistryImages(connect(registry), APP).manifest(Tag("v1"))
