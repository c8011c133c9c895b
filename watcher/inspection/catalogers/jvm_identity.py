"""Which packages an archive is and holds, of what it says about itself and how it is called.

After syft (archive_parser.go) and trivy (jar/parse.go): pom.properties before the manifest, and that before the name of the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter

from watcher.inspection.catalogers.jvm_identity_files import MAX_LICENCES, Coordinates
from watcher.inspection.catalogers.jvm_identity_names import artifact_of, group_before, group_in, known_group, name_and_version
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageRecord

# Where versions and groups stand in a manifest, what is written by Maven first. The first two are groups; the others are names that
# have one before the artifact, or are the group's own.
_VERSIONS = ("implementation-version", "specification-version", "plugin-version", "bundle-version")
_GROUPS = (
    *("group-id", "implementation-vendor-id", "bundle-symbolicname", "extension-name", "specification-vendor"),
    *("implementation-vendor", "implementation-title", "automatic-module-name", "bundle-activator", "main-class", "package"),
)
_NAMES = ("name", "bundle-name", "short-name", "extension-name", "implementation-title")
_LICENCES = ("bundle-license", "plugin-license-name")
_VENDORS = ("implementation-vendor", "bundle-vendor", "specification-vendor")


@dataclass(slots=True, kw_only=True)
class Contents:
    """What was found in one archive: its manifest if it has one, and by their folder what Maven left there."""

    file_name: str
    manifest: Mapping[str, str] | None = None
    properties: list[tuple[bytes, Coordinates]] = field(default_factory=list)
    poms: dict[bytes, Coordinates] = field(default_factory=dict)


def packages_of(contents: Contents, place: str) -> Iterator[PackageRecord]:
    """The archive's own first, then those that were shaded into it."""
    manifest = contents.manifest or {}
    vendor = next((manifest[each] for each in _VENDORS if manifest.get(each)), "")
    held = _described(contents)
    name, version = _called(contents.file_name, manifest)
    own = _own(held, contents.file_name, name)
    if own is not None:
        held.remove(own)
        own = replace(own, licenses=own.licenses or _licences(manifest))
    elif not (len(held) == 1 and _is_renamed(held[0], contents.file_name, manifest)):
        own = Coordinates(artifact=name, version=version, licenses=_licences(manifest))
    if own is not None and own.artifact and own.version:
        yield _record(replace(own, group=own.group or _group(own, manifest)), place, vendor)
    for each in held:
        yield _record(replace(each, group=each.group or _group(each, {})), place, "")


def _described(contents: Contents) -> list[Coordinates]:
    """What Maven describes, as far as that has a name and a version."""
    nothing = Coordinates()
    described = sorted(contents.properties, key=itemgetter(0))
    found = [properties.filled(contents.poms.get(folder, nothing)) for folder, properties in described]
    alone = contents.poms.keys() - {folder for folder, _ in described}
    found += [contents.poms[folder] for folder in sorted(alone)]
    return list(dict.fromkeys(each for each in found if each.artifact and each.version))


def _own(held: list[Coordinates], file_name: str, name: str) -> Coordinates | None:
    """That which the archive is itself: the one called like its file, or nearly so, or like its manifest says."""
    called, _ = name_and_version(file_name, [each.version for each in held])
    exact = [each for each in held if each.artifact == called]
    near = [each for each in held if called and (each.artifact.startswith(called) or called.endswith(each.artifact))]
    near.sort(key=lambda each: len(each.artifact), reverse=True)
    stated = [each for each in held if each.artifact == name]
    return next(iter(exact or near or stated), None)


def _is_renamed(only: Coordinates, file_name: str, manifest: Mapping[str, str]) -> bool:
    """Whether the one package that is described is the archive under another name, as `app.jar` of an image mostly is."""
    _, version = name_and_version(file_name)
    stated = [manifest[each] for each in ("implementation-version", "bundle-version") if manifest.get(each)]
    # A bundle's version may have a part behind it that says when it was built.
    return not version and (not stated or any(each.startswith(only.version) for each in stated))


def _called(file_name: str, manifest: Mapping[str, str]) -> tuple[str, str]:
    """Name and version of an archive that Maven does not describe."""
    stated = [manifest[each] for each in _VERSIONS if manifest.get(each)]
    name, version = name_and_version(file_name, stated)
    name = _bundle(manifest) or artifact_of(name) or next((manifest[each] for each in _NAMES if manifest.get(each)), "")
    return name, version or next(iter(stated), "")


def _bundle(manifest: Mapping[str, str]) -> str:
    """The artifact where the name of the bundle is made of group and artifact: a convention of one plugin of Maven."""
    name = manifest.get("bundle-symbolicname", "").partition(";")[0].strip()
    if "Apache Maven Bundle Plugin" not in manifest.get("created-by", "") or name == manifest.get("implementation-vendor-id"):
        return ""
    return name.rpartition(".")[2]


def _group(package: Coordinates, manifest: Mapping[str, str]) -> str:
    """The group as far as it can be guessed; as Maven's oldest artifacts have it, the artifact if not."""
    if known := known_group(package.artifact, package.version):
        return known
    for each in _GROUPS:
        if group := group_in(manifest.get(each, "")):
            return group if each in _GROUPS[:2] else group_before(group, package.artifact)
    return package.artifact


def _licences(manifest: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(manifest[each] for each in _LICENCES if manifest.get(each)))[:MAX_LICENCES]


def _record(package: Coordinates, place: str, vendor: str) -> PackageRecord:
    name = bounded(f"{package.group}:{package.artifact}".encode())
    return PackageRecord(
        type="maven",
        name=name,
        version=package.version,
        source=name,
        source_version=package.version,
        licenses=package.licenses,
        maintainer=vendor,
        purl=package_url("maven", package.artifact, package.version, namespace=package.group),
        place=place,
    )
