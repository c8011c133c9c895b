"""What building an image left in it and nothing needs that runs there: caches of package managers, and histories of shells. Pure.

It is known by its place alone: nothing is read, and nothing says who wrote it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watcher.model.inventory import FILE, FileTable

PACKAGE_CACHE, SHELL_HISTORY = "package-cache", "shell-history"

# More of them than anyone looks through.
MAX_LEFTOVERS = 10_000

# Directories of the root file system, by whose cache they are.
_IN_ROOT: Mapping[str, str] = {
    "etc/apk/cache": "apk",
    "go/pkg/mod": "go",
    "root/go/pkg/mod": "go",
    "opt/conda/pkgs": "conda",
    "usr/local/bundle/cache": "gem",
    "usr/local/cargo/git": "cargo",
    "usr/local/cargo/registry": "cargo",
    "var/cache/apk": "apk",
    "var/cache/apt": "apt",
    "var/cache/binpkgs": "portage",
    "var/cache/distfiles": "portage",
    "var/cache/dnf": "dnf",
    "var/cache/libdnf5": "dnf",
    "var/cache/pacman/pkg": "pacman",
    "var/cache/xbps": "xbps",
    "var/cache/yum": "yum",
    "var/cache/zypp": "zypper",
    "var/lib/apt/lists": "apt",
    "var/lib/opkg/lists": "opkg",
    "var/lib/pacman/sync": "pacman",
    "var/opkg-lists": "opkg",
}

# Directories of a home, which may be any directory: HOME is often none of /home.
_IN_HOMES: Mapping[str, str] = {
    ".bun/install/cache": "bun",
    ".bundle/cache": "bundler",
    ".cabal/packages": "cabal",
    ".cache/bazel": "bazel",
    ".cache/composer": "composer",
    ".cache/coursier": "coursier",
    ".cache/go-build": "go",
    ".cache/pip": "pip",
    ".cache/pipenv": "pipenv",
    ".cache/pnpm": "pnpm",
    ".cache/pypoetry/artifacts": "poetry",
    ".cache/pypoetry/cache": "poetry",
    ".cache/rebar3": "rebar3",
    ".cache/uv": "uv",
    ".cache/yarn": "yarn",
    ".cargo/git": "cargo",
    ".cargo/registry": "cargo",
    ".composer/cache": "composer",
    ".gradle/caches": "gradle",
    ".gradle/wrapper/dists": "gradle",
    ".hex/packages": "hex",
    ".ivy2/cache": "ivy",
    ".local/share/NuGet/http-cache": "nuget",
    ".local/share/NuGet/v3-cache": "nuget",
    ".m2/repository": "maven",
    ".npm/_cacache": "npm",
    ".nuget/packages": "nuget",
    ".pub-cache": "pub",
    ".yarn/berry/cache": "yarn",
}

# Files of a home, by whose history they are.
_HISTORIES: Mapping[str, str] = {
    ".ash_history": "ash",
    ".bash_history": "bash",
    ".dbshell": "mongo",
    ".history": "sh",
    ".irb_history": "irb",
    ".ksh_history": "ksh",
    ".lesshst": "less",
    ".local/share/fish/fish_history": "fish",
    ".mariadb_history": "mariadb",
    ".mongodb/mongosh/mongosh_repl_history": "mongosh",
    ".mysql_history": "mysql",
    ".node_repl_history": "node",
    ".php_history": "php",
    ".psql_history": "psql",
    ".python_history": "python",
    ".rediscli_history": "redis-cli",
    ".sh_history": "sh",
    ".sqlite_history": "sqlite",
    ".viminfo": "vim",
    ".zhistory": "zsh",
    ".zsh_history": "zsh",
}

_TOOLS: Mapping[str, str] = {**_IN_ROOT, **_IN_HOMES, **_HISTORIES}


def _one_of(names: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, names))


_CACHE = re.compile(f"(?:^(?P<root>{_one_of(_IN_ROOT)})|(?:^|/)(?P<home>{_one_of(_IN_HOMES)}))(?=/)", re.DOTALL)
_HISTORY = re.compile(f"(?:^|/)({_one_of(_HISTORIES)})\\Z", re.DOTALL)

# What is looked at of a hundred thousand paths, of which few are left to be matched.
_START = 9
_STARTS = frozenset(each[:_START] for each in _IN_ROOT)
_FIRST = frozenset(each.partition("/")[0] for each in (*_IN_HOMES, *_HISTORIES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A cache, or a history, as far as one layer brought it.

    `kind` is PACKAGE_CACHE, of which `path` is the directory, or SHELL_HISTORY, of which it is the file; `tool` is whose: `apt`,
    `bash`. `files` and `size`, in bytes, are of regular files that are not empty.
    """

    kind: str
    tool: str
    path: str
    files: int
    size: int
    layer: int


def leftovers(files: FileTable) -> tuple[Leftover, ...]:
    """Each cache and history of an image, once a layer, the largest first; at most MAX_LEFTOVERS of them.

    `files` are sorted by path.
    """
    found: dict[tuple[str, str, str, int], list[int]] = {}
    for row in _possible(files):
        if place := _place(files.path[row]):
            found.setdefault((*place, files.layer[row]), []).append(files.size[row])
    each = (
        Leftover(kind=kind, tool=tool, path=path, files=len(sizes), size=sum(sizes), layer=layer)
        for (kind, tool, path, layer), sizes in found.items()
    )
    return tuple(sorted(each, key=lambda one: (-one.size, one.path, one.layer))[:MAX_LEFTOVERS])


def _possible(files: FileTable) -> Iterator[int]:
    """The rows of files with content that may be of one, in order."""
    rows = {row for row, path in enumerate(files.path) if "/." in path}
    # In order, everything below a directory lies between `directory/` and `directory0`, as what begins with `.` before `/`.
    for first, end in ((".", "/"), *((f"{directory}/", f"{directory}0") for directory in _IN_ROOT)):
        rows.update(range(bisect_left(files.path, first), bisect_left(files.path, end)))
    return (row for row in sorted(rows) if files.size[row] and files.kind[row] == FILE)


def _place(path: str) -> tuple[str, str, str] | None:
    """Kind, tool and path of what the file is of."""
    if path[:_START] not in _STARTS and _FIRST.isdisjoint(path.split("/")):
        return None  # a match costs ten times as much, and directories as `node_modules/.pnpm` have many files
    if cache := _CACHE.search(path):
        return PACKAGE_CACHE, _TOOLS[cache["root"] or cache["home"]], path[: cache.end()]
    if history := _HISTORY.search(path):
        return SHELL_HISTORY, _TOOLS[history[1]], path
    return None
