"""Linux itself: kernels by what they say of themselves when they start, and those of their modules that have a version.

Spec: Linux Documentation/arch/x86/boot.rst, "kernel_version"; init/version.c; include/linux/module.h, MODULE_INFO
"""

import re
from dataclasses import dataclass, field

from watcher.inspection.catalogers.linux_module import module_info
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Reading, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# A kernel with all that is known for its debugging has 1 GB. Nothing is kept of it but where it may say its version.
MAX_KERNEL_BYTES = 2 * 1024 * 1024 * 1024
# Driver of a graphics card, with its firmware's tables: 30 MB.
MAX_MODULE_BYTES = 64 * 1024 * 1024

NAME = "linux-kernel"
KINDS = ("vmlinuz", "vmlinux", "bzImage", "zImage", "Image", "kernel")

# Where a bzImage has its mark, and behind it where in the file, from the second sector on, the version stands.
_MARK_AT, _MARK, _VERSION_AT, _SECTOR = 0x202, b"HdrS", 0x20E, 512
_SETUP_BYTES = 64 * 1024

# What an image says that is not compressed, and enough of it to have the version.
_BANNER = re.compile(rb"Linux version (\d[!-~]{1,200}) \(")
_BANNER_BYTES = 256

# Kernels that are compressed say nothing but their name: vmlinuz-6.1.0-21-arm64.
_CALLED = re.compile(r"[A-Za-z]+-(\d[\w.+~-]*)")


class LinuxCataloger:
    """`vmlinuz-*` and its like in a `boot`, `vmlinuz` anywhere, and `*.ko` below `lib/modules`."""

    type = "linux"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(
        names=frozenset(each.encode() for each in KINDS if each != "kernel"),
        directories=frozenset({b"boot"}),
        suffixes=frozenset({b".ko"}),
    )

    def wants(self, path: str, size: int) -> bool:
        if path.endswith(".ko"):
            return size <= MAX_MODULE_BYTES and "/lib/modules/" in f"/{path}"
        name = path.rpartition("/")[2]
        return size <= MAX_KERNEL_BYTES and (name in KINDS or name.startswith(tuple(f"{each}-" for each in KINDS)))

    def begin(self, path: str, size: int) -> Reading:
        """A reading that keeps a module, which says what it is at its end, and of a kernel its beginning."""
        del size
        return _ModuleReading(path=path) if path.endswith(".ko") else _KernelReading(path=path)


@dataclass(slots=True, kw_only=True)
class _ModuleReading:
    path: str
    _content: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        self._content += piece

    def facts(self) -> Facts:
        info = module_info(self._content)
        if info is None:
            raise DamagedDatabaseError(f"{self.path}: no module of Linux")
        version = bounded(info.get(b"version", b""))
        if not version or b"vermagic" not in info:
            return ()  # it came with its kernel, and is of its version
        written = self.path.rpartition("/")[2].removesuffix(".ko").replace("-", "_")
        name = bounded(info.get(b"name", b"") or written.encode())
        licence = bounded(info.get(b"license", b""))
        return _facts(
            self.path,
            PackageRecord(
                type="generic",
                name=name,
                version=version,
                source=name,
                source_version=version,
                licenses=(licence,) if licence else (),
                maintainer=bounded(info.get(b"author", b"")),
                purl=package_url("generic", name, version),
            ),
        )


@dataclass(slots=True, kw_only=True)
class _KernelReading:
    path: str
    _setup: bytearray = field(default_factory=bytearray)
    _last: bytes = b""
    _banner: bytes = b""

    def feed(self, piece: bytes) -> None:
        if missing := _SETUP_BYTES - len(self._setup):
            self._setup += piece[:missing]
        if not self._banner:
            joined = self._last + piece
            if found := _BANNER.search(joined):
                self._banner = found[1]
            self._last = joined[-_BANNER_BYTES:]

    def facts(self) -> Facts:
        called = _CALLED.fullmatch(self.path.rpartition("/")[2])
        version = bounded(self._stated() or self._banner) or (called[1] if called and self._setup else "")
        if not version:
            return ()
        record = PackageRecord(
            type="generic",
            name=NAME,
            version=version,
            source=NAME,
            source_version=version,
            purl=package_url("generic", NAME, version),
        )
        return _facts(self.path, record)

    def _stated(self) -> bytes:
        """The first word of what a bzImage says, none for what is no bzImage."""
        if self._setup[_MARK_AT : _MARK_AT + len(_MARK)] != _MARK:
            return b""
        place = int.from_bytes(self._setup[_VERSION_AT : _VERSION_AT + 2], "little") + _SECTOR
        words = bytes(self._setup[place : place + _BANNER_BYTES]).partition(b"\0")[0].split()
        return words[0] if words and place > _SECTOR else b""


def _facts(path: str, record: PackageRecord) -> Facts:
    return (PackageDatabase(path=path, type=LinuxCataloger.type, packages=(record,)),)
