"""The images that `watcher demo` pushes: clean, with a leaked key, on a base nobody trusts, with a known vulnerability."""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from watcher.inspection.image.base_image import BASE_DIGEST, BASE_NAME
from watcher.model.reference import Host
from watcher.model.verdict import Outcome
from watcher.testing.images import BuiltImage, Entry, Layer, build_image, build_layer

TRUSTED_BASE, ROGUE_BASE = "base/debian", "somebody/bargain-base"

_OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
_PASSWD = "root:x:0:0:root:/root:/bin/bash\napp:x:1000:1000:app:/srv:/usr/sbin/nologin\n"  # noqa: S105 - no password in it
_STATUS = "".join(
    f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\nDescription: demo\n\n"
    for name, version in (("base-files", "12.4+deb12u11"), ("libc6", "2.36-9+deb12u10"), ("openssl", "3.0.16-1~deb12u1"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One push of the demo. `image` builds it for a registry, whose name stands in the annotations."""

    title: str
    repository: str
    tag: str
    expected: Outcome
    image: Callable[[Host], BuiltImage]


@cache
def _base_layer(name: str) -> Layer:
    return build_layer(
        {
            "etc": Entry(directory=True, mode=0o755),
            "etc/os-release": _OS_RELEASE,
            "etc/passwd": _PASSWD,
            "etc/motd": name,
            "var/lib/dpkg/status": _STATUS,
            "usr/bin/passwd": Entry(content=b"\x7fELF", mode=0o4755),
        }
    )


def base_image() -> BuiltImage:
    return build_image([_base_layer(TRUSTED_BASE)], history=[{"created_by": "debootstrap bookworm"}])


def rogue_image() -> BuiltImage:
    return build_image([_base_layer(ROGUE_BASE)], history=[{"created_by": "COPY . /"}])


@cache
def _key() -> str:
    """A made-up AWS access key id of the right form: different in every demo, so that no scanner knows it."""
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


@cache
def _app(host: Host, base: str, *, leaky: bool = False, vulnerable: bool = False) -> BuiltImage:
    below = base_image() if base == TRUSTED_BASE else rogue_image()
    layers = [_base_layer(base), build_layer({"srv/app.py": "print('hello')\n"})]
    history = [{"created_by": "FROM " + base}, {"created_by": "COPY app.py /srv/"}]
    if leaky:
        credentials = f"[default]\naws_access_key_id = {_key()}\nregion = eu-west-1\n"
        layers.append(build_layer({"root/.aws/credentials": credentials}))
        history.append({"created_by": "COPY .aws /root/.aws"})
        layers.append(build_layer({"root/.aws/.wh.credentials": ""}))
        history.append({"created_by": "RUN rm /root/.aws/credentials"})
    if vulnerable:
        metadata = "Metadata-Version: 2.1\nName: PyYAML\nVersion: 5.3.1\n"
        layers.append(build_layer({"srv/lib/PyYAML-5.3.1.dist-info/METADATA": metadata}))
        history.append({"created_by": "RUN pip install --target /srv/lib PyYAML==5.3.1"})
    config = {"User": "app", "Entrypoint": ["python3", "/srv/app.py"], "ExposedPorts": {"8080/tcp": {}}}
    annotations = {BASE_NAME: f"{host}/{base}:{'12' if base == TRUSTED_BASE else 'latest'}", BASE_DIGEST: below.digest}
    return build_image(layers, config=config, history=history, annotations=annotations)


CASES = (
    Case(
        title="A clean image",
        repository="shop/web",
        tag="1.4.2",
        expected=Outcome.PASS,
        image=lambda host: _app(host, TRUSTED_BASE),
    ),
    Case(
        title="A key that was copied in and deleted again",
        repository="shop/payments",
        tag="2.0.0",
        expected=Outcome.FAIL,
        image=lambda host: _app(host, TRUSTED_BASE, leaky=True),
    ),
    Case(
        title="A base image that nobody vouches for",
        repository="shop/search",
        tag="0.9.1",
        expected=Outcome.FAIL,
        image=lambda host: _app(host, ROGUE_BASE),
    ),
    Case(
        title="A library with a vulnerability that has a fix",
        repository="shop/orders",
        tag="3.1.0",
        expected=Outcome.FAIL,
        image=lambda host: _app(host, TRUSTED_BASE, vulnerable=True),
    ),
)
