"""Package URLs, and the part of them that only the whole image knows: its distribution.

Spec: ECMA-427 (purl), types deb, apk, rpm, npm, pypi.
"""

from dataclasses import replace
from urllib.parse import quote

from watcher.model.inventory import Distro, PackageRecord

# The name of a package is the distributor's own: `openssl` of Debian is not `openssl` of Alpine.
DISTRIBUTOR_TYPES = frozenset({"deb", "apk", "rpm"})


def package_url(
    package_type: str, name: str, version: str, *, namespace: str = "", architecture: str = "", distribution: str = ""
) -> str:
    """The canonical purl. `namespace` may hold slashes, which separate its parts; qualifiers are in alphabetical order."""
    qualifiers = [f"{key}={_encoded(value)}" for key, value in (("arch", architecture), ("distro", distribution)) if value]
    parts = [*(part for part in namespace.split("/") if part), name]
    return (
        f"pkg:{package_type}/{'/'.join(_encoded(part) for part in parts)}"
        f"{'@' + _encoded(version) if version else ''}{'?' + '&'.join(qualifiers) if qualifiers else ''}"
    )


def with_distro(record: PackageRecord, distro: Distro) -> PackageRecord:
    """The record with the purl it has in an image of this distribution: `pkg:deb/debian/NAME@VERSION?arch=ARCH&distro=debian-12`.

    A layer does not know the distribution, so the merge of an image calls this for every record. Records that no distributor
    made, and images without a distribution, are left as they are: the purl of the layer has no namespace.
    """
    if record.type not in DISTRIBUTOR_TYPES or not distro.id:
        return record
    return replace(
        record,
        purl=package_url(
            record.type,
            record.name,
            record.version,
            namespace=distro.id,
            architecture=record.architecture,
            distribution=f"{distro.id}-{distro.version}" if distro.version else distro.id,
        ),
    )


def _encoded(text: str) -> str:
    # A colon stays as it is: Debian's epochs are read by people.
    return quote(text, safe=":", errors="replace")
