"""Java runtimes that nobody packaged: the file `release` in the folder of each.

Spec: JEP 223 and JEP 322 (versions); make/ReleaseFile.gmk of OpenJDK. Vendor and product are called as CPEs of NVD call them.
"""

from dataclasses import dataclass, field
from io import BytesIO

from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# The list of modules is the longest line, some 2 KB. A file of this name may be anything, so more of it is never kept.
KEPT_BYTES = 64 * 1024
MAX_BYTES = 1024 * 1024 * 1024

_FIELDS = frozenset(
    {
        *(b"JAVA_VERSION", b"JAVA_RUNTIME_VERSION", b"FULL_VERSION", b"IMPLEMENTOR", b"IMAGE_TYPE", b"BUILD_TYPE", b"MODULES"),
        *(b"OS_ARCH", b"SOURCE_REPO", b"BUILD_SOURCE_REPO"),
    }
)
# The module of the compiler: who has it has what else a runtime does not need.
_COMPILER = b"jdk.compiler"


class JavaReleaseCataloger:
    """Any `release` that says a JAVA_VERSION."""

    type = "java-release"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"release"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.rpartition("/")[2] == "release"

    def begin(self, path: str, size: int) -> "_JavaReleaseReading":
        """A reading that keeps KEPT_BYTES."""
        del size
        return _JavaReleaseReading(path=path)


@dataclass(slots=True, kw_only=True)
class _JavaReleaseReading:
    path: str
    _content: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        if missing := KEPT_BYTES - len(self._content):
            self._content += piece[:missing]

    def facts(self) -> Facts:
        fields = _fields(self._content)
        version = _version(fields)
        if not version:
            return ()
        vendor, product = _product(fields, self.path)
        record = PackageRecord(
            type="generic",
            name=product,
            version=version,
            architecture=bounded(fields.get(b"OS_ARCH", b"")),
            source=product,
            source_version=version,
            maintainer=bounded(fields.get(b"IMPLEMENTOR", b"")),
            purl=package_url(
                "generic",
                product,
                version,
                namespace=vendor,
                qualifiers={"repository_url": bounded(fields.get(b"SOURCE_REPO", b"") or fields.get(b"BUILD_SOURCE_REPO", b""))},
            ),
        )
        return (PackageDatabase(path=self.path, type=JavaReleaseCataloger.type, packages=(record,)),)


def _fields(content: bytearray) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in BytesIO(content):
        key, found, value = line.partition(b"=")
        if found and key in _FIELDS:
            fields[key] = value.strip().strip(b'"')
    return fields


def _version(fields: dict[bytes, bytes]) -> str:
    """The one with the build where there is one. FULL_VERSION may count in another way, as of some releases of Java 8."""
    runtime, full, plain = (bounded(fields.get(each, b"")) for each in (b"JAVA_RUNTIME_VERSION", b"FULL_VERSION", b"JAVA_VERSION"))
    if not runtime and not plain:
        return ""
    return runtime or (full if full and full.partition(".")[0] == plain.partition(".")[0] else plain)


def _product(fields: dict[bytes, bytes], path: str) -> tuple[str, str]:
    implementor = fields.get(b"IMPLEMENTOR", b"").lower().replace(b" ", b"")
    is_runtime = b"jre" in fields.get(b"IMAGE_TYPE", b"").lower() and _COMPILER not in fields.get(b"MODULES", b"").split()
    kit = "jre" if is_runtime else "jdk"
    if b"azul" in implementor or "zulu" in path:
        return "azul", "zulu"
    if b"sun" in implementor:
        return "sun", kit
    if b"ibm" in implementor or "/ibm" in path:
        return "ibm", "java"
    if b"oracle" in implementor or "oracle" in path or b"commercial" in fields.get(b"BUILD_TYPE", b""):
        return "oracle", kit
    return "oracle", "openjdk"
