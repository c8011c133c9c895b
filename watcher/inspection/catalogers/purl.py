"""Package URLs, and the part of them that only the whole image knows: its distribution.

Spec: ECMA-427 (purl), types alpm, deb, apk, rpm, npm, pypi, golang, cargo, gem, composer, conda, cran, luarocks,
nuget, otp, bitnami, generic; pear as syft and other tools write it.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import quote

from watcher.model.inventory import Distro, PackageRecord

# The name of a package is the distributor's own: `openssl` of Debian is not `openssl` of Alpine.
DISTRIBUTOR_TYPES = frozenset({"deb", "apk", "rpm", "alpm", "opkg"})

# Where a distribution is called otherwise than its os-release calls it: by ECMA-427, and by its own VEX.
_NAMESPACES = {("rpm", "rhel"): "redhat", ("rpm", "opensuse-leap"): "opensuse", ("rpm", "opensuse-tumbleweed"): "opensuse"}

_NONE: Mapping[str, str] = MappingProxyType({})


def package_url(
    package_type: str,
    name: str,
    version: str,
    *,
    namespace: str = "",
    architecture: str = "",
    distribution: str = "",
    qualifiers: Mapping[str, str] = _NONE,
) -> str:
    """The canonical purl. `namespace` may hold slashes, which separate its parts; of `qualifiers` those that are empty are left
    out, the others are in alphabetical order.
    """
    said = sorted({**qualifiers, "arch": architecture, "distro": distribution}.items())
    written = [f"{key}={_encoded(value)}" for key, value in said if value]
    parts = [*(part for part in namespace.split("/") if part), name]
    return (
        f"pkg:{package_type}/{'/'.join(_encoded(part) for part in parts)}"
        f"{'@' + _encoded(version) if version else ''}{'?' + '&'.join(written) if written else ''}"
    )


def with_distro(record: PackageRecord, distro: Distro) -> PackageRecord:
    """The record with the purl it has in an image of this distribution: `pkg:deb/debian/NAME@VERSION?arch=ARCH&distro=debian-12`.

    A layer does not know the distribution, so the merge of an image calls this for every record. Records that no distributor
    made, and images without a distribution, are left as they are: the purl of the layer has no namespace. So are those that say
    their distribution themselves, which may be another.
    """
    if record.type not in DISTRIBUTOR_TYPES or not distro.id or "distro=" in record.purl:
        return record
    prefix = f"pkg:{record.type}/"
    known = record.purl.startswith(prefix)
    purl = record.purl if known else package_url(record.type, record.name, record.version, architecture=record.architecture)
    name, _, qualifiers = purl.removeprefix(prefix).partition("?")
    called = _NAMESPACES.get((record.type, distro.id), distro.id)
    namespace = "/".join(_encoded(part) for part in called.split("/") if part)
    release = f"distro={_encoded(f'{distro.id}-{distro.version}' if distro.version else distro.id)}"
    whole = "&".join(sorted((*filter(None, qualifiers.split("&")), release)))
    return replace(record, purl=f"{prefix}{namespace}/{name}?{whole}")


def _encoded(text: str) -> str:
    # A colon stays as it is: Debian's epochs are read by people.
    return quote(text, safe=":", errors="replace")
