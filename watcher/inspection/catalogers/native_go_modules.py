"""The packages of one Go program, of what its build information says.

Spec: runtime/debug.ParseBuildInfo; https://go.dev/ref/mod#pseudo-versions
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageRecord

TYPE = "golang"
STANDARD_LIBRARY = "stdlib"

# What Go writes for a module that was built where it was written.
DEVEL = "(devel)"
# What it writes when files and not a package were built.
_FILES = "command-line-arguments"

# `go1.22.1 X:loopvar`, and since 1.26 `go1.26.0-X:loopvar`: what follows says how it was built.
_EXPERIMENTS = re.compile(r" .*|-X:.*")

# A variable that a linker was told a version for, the likelier ones first. What else ends so, as kubectlVersion, is of something
# else.
_VARIABLES = tuple(
    re.compile(rf"{part}$", re.IGNORECASE)
    for part in (r"\.ver(?:sion)?", r"\.(?:app|build|cli|full|git|release|server)+ver(?:sion)?", r"\.[a-z0-9]{0,32}tag")
)
_VERSION = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+(?:[-+.][-+.\w]*)?")
# Of Prometheus and all that is built as it is: the module of the variable is another than that of the program.
_ELSEWHERE = "github.com/prometheus/common/version.Version"


@dataclass(frozen=True, slots=True)
class Module:
    """A module as it was built in: of one that was replaced, what replaced it."""

    path: str
    version: str


@dataclass(slots=True)
class _Build:
    path: str = ""
    main: Module | None = None
    modules: list[Module] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)


def packages_of(release: bytes, modules: bytes) -> Iterator[PackageRecord]:
    """The standard library, the main module, and those it needs. Either text may be empty."""
    built_by = _EXPERIMENTS.sub("", bounded(release)) if release.startswith(b"go") else bounded(release)
    if built_by:
        yield _package(STANDARD_LIBRARY, built_by, built_by.removeprefix("go") if built_by.startswith("go") else "")
    build = _parsed(modules)
    main = _main(build)
    if main is not None:
        if main.path.startswith("cmd/") and build.main is None:
            # Of Go itself, whose advisories are about its toolchain.
            yield _package(main.path, built_by or DEVEL, built_by.removeprefix("go"), source="toolchain")
        else:
            yield _module(main)
    for module in build.modules:
        if module.path and module != main:
            yield _module(module)


def _module(module: Module) -> PackageRecord:
    version = module.version or DEVEL
    return _package(module.path, version, "" if version == DEVEL else version)


def _package(name: str, version: str, url_version: str, source: str = "") -> PackageRecord:
    namespace, _, last = name.rstrip("/").lower().rpartition("/")
    return PackageRecord(
        type=TYPE,
        name=name,
        version=version,
        source=source or name,
        source_version=version,
        purl=package_url(TYPE, last or name, url_version, namespace=namespace),
    )


def _parsed(modules: bytes) -> _Build:
    build = _Build()
    original = ""
    for line in modules.split(b"\n"):
        key, _, rest = line.partition(b"\t")
        if key == b"path":
            build.path = bounded(rest)
        elif key in (b"mod", b"dep"):
            module = _of_line(rest)
            original = module.path
            if key == b"mod":
                build.main = module
            else:
                build.modules.append(module)
        elif key == b"=>" and build.modules:
            replacement = _of_line(rest)
            # A directory is no name that anybody else knows it by.
            path = original if replacement.path.startswith((".", "/")) or not replacement.path else replacement.path
            build.modules[-1] = Module(path, replacement.version)
        elif key == b"build":
            name, _, value = rest.partition(b"=")
            build.settings.setdefault(_unquoted(name), _unquoted(value))
    return build


def _of_line(rest: bytes) -> Module:
    path, version, *_ = *rest.split(b"\t", 2), b""
    return Module(bounded(path), bounded(version))


def _unquoted(text: bytes) -> str:
    """A setting as it was: Go quotes those with blanks in them."""
    written = text[:65536].decode("utf-8", "replace")
    if len(written) >= 2 and written[0] == written[-1] == "`":
        return written[1:-1]
    if len(written) >= 2 and written[0] == written[-1] == '"':
        return written[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return written


def _main(build: _Build) -> Module | None:
    """The main module, with the version that can be told of it."""
    main = build.main
    if main is None or main == Module(_FILES, ""):
        built_here = [each for each in build.modules if each.version == DEVEL]
        if len(built_here) == 1:
            main = built_here[0]
            build.modules.remove(main)
        elif build.path:
            main = Module(build.path, DEVEL)
    if main is None or not main.path:
        return None
    if main.version not in ("", DEVEL):
        return main
    return Module(main.path, _told_to_the_linker(main.path, build.settings) or _of_its_commit(build.settings) or DEVEL)


def _told_to_the_linker(module: str, settings: dict[str, str]) -> str:
    """The version in `-ldflags="-X main.version=1.2.3"`, with a `v`."""
    told: list[tuple[str, str]] = []
    for word in settings.get("-ldflags", "").replace("'", " ").replace('"', " ").split():
        name, _, value = word.removeprefix("-X=").partition("=")
        match = _VERSION.fullmatch(value.rpartition("/")[2])
        if match and (name.startswith(("main.", f"{module}/", f"{module}.")) or name == _ELSEWHERE):
            told.append((name, match[0]))
    for variable in _VARIABLES:
        for name, version in told:
            if variable.search(name):
                return version if version.startswith("v") else f"v{version}"
    return ""


def _of_its_commit(settings: dict[str, str]) -> str:
    """The pseudo-version of the commit it was built from."""
    revision, time = bounded(settings.get("vcs.revision", "").encode()), settings.get("vcs.time", "")
    try:
        when = datetime.fromisoformat(time).astimezone(UTC)
    except ValueError:
        return ""
    return f"v0.0.0-{when:%Y%m%d%H%M%S}-{revision[:12]}" if revision else ""
