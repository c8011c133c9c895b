"""Which ecosystem's advisories a package is looked up in, and by which name. They are named as record.py says."""

import re
from dataclasses import dataclass
from functools import lru_cache

from watcher.model.inventory import Distro, PackageRecord

# purl type → ecosystem, where that does not depend on the distribution.
LANGUAGES = {
    "pypi": "PyPI",
    "npm": "npm",
    "maven": "Maven",
    "golang": "Go",
    "cargo": "crates.io",
    "gem": "RubyGems",
    "nuget": "NuGet",
    "composer": "Packagist",
}

# (purl type, ID of os-release) → the distribution's name in OSV, and how many parts of VERSION_ID make a release of it.
_DISTRIBUTIONS = {
    ("deb", "debian"): ("Debian", 1),
    ("deb", "ubuntu"): ("Ubuntu", 2),
    ("apk", "alpine"): ("Alpine", 2),
    ("apk", "wolfi"): ("Wolfi", 0),
    ("apk", "chainguard"): ("Chainguard", 0),
    ("rpm", "almalinux"): ("AlmaLinux", 1),
    ("rpm", "rocky"): ("Rocky Linux", 1),
    ("rpm", "rhel"): ("Red Hat", 1),
    ("rpm", "centos"): ("Red Hat", 1),
    ("rpm", "azurelinux"): ("Azure Linux", 1),
    ("rpm", "mariner"): ("Azure Linux", 1),
    ("rpm", "opensuse-leap"): ("openSUSE:Leap", 2),
    ("rpm", "opensuse-tumbleweed"): ("openSUSE:Tumbleweed", 0),
}
_RHEL = re.compile(r"Red Hat:enterprise_linux:(\d+)(?:\.\d+)?(?:::[a-z_]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What is asked of the data about one package; `module` is its RPM module, NAME:STREAM."""

    ecosystem: str
    package: str
    version: str
    module: str = ""


def lookup_of(record: PackageRecord, distro: Distro) -> Lookup | None:
    """None where nobody keeps advisories of its kind: an unknown distribution, an unknown type."""
    ecosystem = LANGUAGES.get(record.type) or release_of(record.type, distro)
    if ecosystem is None:
        return None
    if record.type in {"deb", "apk"}:
        # Their advisories name source packages, and those packages' versions.
        package, version = record.source or record.name, record.source_version or record.version
    else:
        package, version = record.name if record.type == "rpm" else record.source or record.name, record.version
    return Lookup(ecosystem=ecosystem, package=comparable_name(ecosystem, package), version=version, module=_module(record))


def release_of(package_type: str, distro: Distro) -> str | None:
    """The ecosystem of a distribution's packages: `Debian:12`. None when it is unknown, or says no version where it should."""
    known = _DISTRIBUTIONS.get((package_type, distro.id))
    if known is None:
        return None
    name, parts = known
    if parts == 0:
        return name
    numbers = distro.version.split(".")[:parts]
    if len(numbers) < parts or not all(number.isascii() and number.isdigit() for number in numbers):
        return None
    release = ".".join(numbers)
    if name == "openSUSE:Leap":
        return f"{name} {release}"
    return f"{name}:v{release}" if name == "Alpine" else f"{name}:{release}"


@lru_cache(maxsize=4096)
def installed_as(ecosystem: str) -> tuple[tuple[str, str], ...]:
    """The packages that an ecosystem's advisories are about, as (purl type, distribution as `ID:VERSION_ID`).

    The distribution is empty for packages of any; none are known of an ecosystem that nothing is looked up in.
    """
    found = [(kind, "") for kind, name in LANGUAGES.items() if name == ecosystem]
    for (kind, distro), (name, parts) in _DISTRIBUTIONS.items():
        release = ecosystem.removeprefix(name).lstrip(": ").removeprefix("v")
        if ecosystem == name and parts == 0:
            found.append((kind, distro))
        elif ecosystem.startswith(name) and release and parts:
            found.append((kind, f"{distro}:{release}"))
    return tuple(found)


def comparable_name(ecosystem: str, package: str) -> str:
    """A package's name as its ecosystem compares them."""
    if ecosystem == "PyPI":
        return re.sub(r"[-_.]+", "-", package).lower()
    if ecosystem in {"NuGet", "Packagist"}:
        return package.lower()
    return package


@lru_cache(maxsize=4096)
def release_named(ecosystem: str) -> tuple[str, bool]:
    """An ecosystem as OSV writes it, as the release that it is about; and whether that is its part for paying users."""
    if ecosystem.startswith("Ubuntu:"):
        parts = ecosystem.split(":")
        release = next((part for part in parts if re.fullmatch(r"\d+\.\d+", part)), None)
        return (f"Ubuntu:{release}", "Pro" in parts) if release else (ecosystem, False)
    if found := _RHEL.fullmatch(ecosystem):
        return f"Red Hat:{found[1]}", False
    if ecosystem.startswith("Alpine:") and not ecosystem.startswith("Alpine:v"):
        return f"Alpine:v{ecosystem.removeprefix('Alpine:')}", False
    return ecosystem, False


def family(ecosystem: str) -> str:
    """`Debian` of `Debian:12`: what is published together."""
    return ecosystem.partition(":")[0]


def _module(record: PackageRecord) -> str:
    """From the purl, which has it as `rpmmod=NAME:STREAM[:VERSION:CONTEXT]`."""
    if record.type != "rpm" or "rpmmod=" not in record.purl:
        return ""
    label = record.purl.partition("rpmmod=")[2].partition("&")[0].partition("#")[0].replace("%3A", ":").replace("%3a", ":")
    return ":".join(label.split(":")[:2])
