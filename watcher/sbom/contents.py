"""What every format says of an image: its own name, its packages and their licences, each with a name of its own. Pure.

The same inventory gives the same bytes: nothing is taken from a clock, from chance, or from the order of a set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID, uuid5

from watcher.model.inventory import Inventory, Package
from watcher.model.moments import moment_of
from watcher.model.verdict import SectionState

TOOL = "registry-watcher"
# Of this program's documents alone: what is named in it is named nowhere else.
_NAMESPACE = UUID("5b1f3f0c-6a53-5a0e-9e60-0d3a4f2f8c11")

# An image that does not say when it was made, or says what is no time.
NO_TIME = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One package of the image. `key` names it within the document; `namespace` and `name` are those of its purl's type."""

    key: str
    namespace: str
    name: str
    package: Package
    layer_digest: str

    @property
    def location(self) -> str:
        return f"/{self.package.path}"

    @property
    def license(self) -> str:
        """One SPDX expression, empty when nothing is known. Several that a package states hold all at once."""
        stated = self.package.record.licenses
        if len(stated) < 2:
            return stated[0] if stated else ""
        return " AND ".join(f"({each})" if " " in each else each for each in stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """An inventory under the name that a registry has it by, `HOST/REPOSITORY`, empty when it is in none."""

    inventory: Inventory
    repository: str = ""

    @property
    def name(self) -> str:
        return self.repository or self.inventory.digest

    @property
    def purl(self) -> str:
        """Spec: ECMA-427, type `oci`."""
        name = self.repository.rpartition("/")[2].lower() or "image"
        operating_system, _, architecture = self.inventory.platform.partition("/")
        said = {"arch": architecture, "os": operating_system, "repository_url": self.repository.lower()}
        qualifiers = "&".join(f"{key}={quote(value, safe='/:')}" for key, value in sorted(said.items()) if value)
        return f"pkg:oci/{quote(name)}@{quote(self.inventory.digest, safe='')}?{qualifiers}".rstrip("?")

    @property
    def uuid(self) -> UUID:
        """The same for the same facts under the same name, in whichever release they are written."""
        return uuid5(_NAMESPACE, f"{self.name}\n{self.inventory.digest}\n{self.inventory.facts_revision}")

    @property
    def created(self) -> str:
        """When the image was made, in UTC, to the second."""
        moment = moment_of(self.inventory.config.created or "")
        return NO_TIME if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def is_complete(self) -> bool:
        return self.inventory.sections["packages"].state is SectionState.COMPLETE

    @property
    def shortfall(self) -> str:
        """Why packages may be missing, empty when none are."""
        return "" if self.is_complete else self.inventory.sections["packages"].reason

    def components(self) -> Iterator[Component]:
        """In the order of the inventory."""
        digests = [layer.digest for layer in self.inventory.layers]
        seen: dict[str, int] = {}
        for package in self.inventory.packages:
            record = package.record
            content = "\n".join((record.purl, package.path, str(package.layer), *record.licenses))
            key = sha256(content.encode("utf-8", "replace")).hexdigest()[:16]
            seen[key] = seen.get(key, 0) + 1
            namespace, name = _split(record.type, record.name)
            yield Component(
                key=key if seen[key] == 1 else f"{key}-{seen[key]}",
                namespace=namespace,
                name=name,
                package=package,
                layer_digest=digests[package.layer] if 0 <= package.layer < len(digests) else "",
            )


def _split(kind: str, name: str) -> tuple[str, str]:
    """Name and namespace, where an ecosystem has both in one text."""
    separator = {"maven": ":", "npm": "/", "composer": "/"}.get(kind)
    namespace, found, rest = name.rpartition(separator) if separator else ("", "", name)
    return (namespace, rest) if found else ("", name)
