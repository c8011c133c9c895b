"""`watcher scan` and syft on the same images of the same registry, in turns, in one run: what each finds, and what it costs.

    python bench/inspection.py --peer --image HOST/REPOSITORY:TAG [--image …] [--rounds 3]

Both are whole programs, start included, and ask the registry themselves. A package agrees when both give its name and version in
the same ecosystem. What only one of them has is counted by cause, with examples, as Markdown. SYFT=PATH is another syft.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.results import Result

SYFT, WATCHER = (os.environ.get(name.upper(), str(Path(sys.executable).with_name(name))) for name in ("syft", "watcher"))
EXAMPLES = 10

# What syft calls the ecosystems that have another name in a purl.
_TYPES = {
    "binary": "generic",
    "dotnet": "nuget",
    "go-module": "golang",
    "java-archive": "maven",
    "jenkins-plugin": "maven",
    "linux-kernel": "generic",
    "php-composer": "composer",
    "python": "pypi",
    "R-package": "cran",
    "rust-crate": "cargo",
}
# Agreement below which a run fails, by ecosystem.
LEAST = {
    **dict.fromkeys(("deb", "rpm", "apk", "npm", "pypi", "gem", "composer"), 0.99),
    **dict.fromkeys(("maven", "golang", "nuget"), 0.95),
}

# Of what syft gives one of these it knows the name only, and nothing could be compared.
_NO_VERSIONS = frozenset({"", "UNKNOWN", "(devel)"})

Key = tuple[str, str, str]
"""ecosystem, name, version"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One program, once. Seconds of processor time, its children's included; `peak_mib` is that of the largest process."""

    output: Path
    cpu: float
    wall: float
    peak_mib: float


@dataclass(slots=True)
class Comparison:
    """What two programs say of one image. `renamed` are packages of one file and version under two names, or in two ecosystems.

    `theirs` and `ours` have what only one of them has, by cause.
    """

    agreed: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    renamed: Counter[str] = field(default_factory=Counter)
    theirs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ours: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def compare_with_syft(images: Sequence[str], rounds: int) -> list[Result]:
    """Print the comparison; the processor time, and how far each ecosystem agrees."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        # All before anything is read: a process is said to have been as large as the one that started it.
        ran = [(image, _ran(image, rounds, Path(folder) / str(number))) for number, image in enumerate(images)]
        for image, runs in ran:
            results += _shown(image, runs)
    return results


def _ran(image: str, rounds: int, folder: Path) -> dict[str, list[Run]]:
    folder.mkdir()
    commands = {"syft": [SYFT, "-q", f"registry:{image}", "-o", "json"], "watcher": [WATCHER, "scan", image, "-o", "json"]}
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            runs[name].append(_run(command, folder / f"{name}-{number}.json"))
    return runs


def _shown(image: str, runs: Mapping[str, list[Run]]) -> Iterator[Result]:
    what = image.partition("/")[2]
    print(f"\n## {image}\n\n| | processor time | wall | largest process |\n|---|---|---|---|")
    for name, each in runs.items():
        cpu, wall = (statistics.median(getattr(run, what) for run in each) for what in ("cpu", "wall"))
        print(f"| {name} | {cpu:.1f} s | {wall:.1f} s | {max(run.peak_mib for run in each):.0f} MiB |")
    theirs, ours = ([run.cpu for run in each] for each in runs.values())
    result = Result.of_rounds(ours, theirs, what=f"scan of {what}, processor", unit="s", against="syft")
    print(f"\nsyft takes {1 / (result.times or 1):.1f} times the processor time.\n")
    yield result
    print("| ecosystem | syft | both | of these named otherwise | agreement |\n|---|---|---|---|---|")
    found = compared(dict(_of_syft(_read(runs["syft"][0]))), dict(_of_watcher(_read(runs["watcher"][0]))))
    for kind, asked in sorted(found.asked.items()):
        agreed = found.agreed[kind] + found.renamed[kind]
        print(f"| {kind} | {asked} | {agreed} | {found.renamed[kind] or ''} | {agreed / asked:.1%} |")
        yield Result(
            what=f"packages of {what}, {kind}",
            unit="packages",
            ours=agreed,
            against="of syft",
            other=asked,
            least=LEAST.get(kind, 0),
            of_ratio=True,
        )
    for title, causes in (("Only syft has", found.theirs), ("Only watcher has", found.ours)):
        for cause, those in sorted(causes.items()):
            shown = ", ".join(f"`{each}`" for each in those[:EXAMPLES])
            print(f"\n{title}, {cause} ({len(those)}): {shown}{', …' if len(those) > EXAMPLES else ''}")


def compared(theirs: Mapping[Key, str], ours: Mapping[Key, str]) -> Comparison:
    """By cause."""
    found = Comparison()
    our_places = {(kind, path, version): name for (kind, name, version), path in ours.items()}
    our_names = {(kind, name): version for kind, name, version in ours}
    our_kinds = {(path, name, version): kind for (kind, name, version), path in ours.items()}
    for key, path in sorted(theirs.items()):
        kind, name, version = key
        told = f"{kind} {name} {version}"
        if version in _NO_VERSIONS and key not in ours:
            found.theirs["without a version"].append(told)
            continue
        found.asked[kind] += 1
        if key in ours:
            found.agreed[kind] += 1
        elif (kind, path, version) in our_places:
            found.renamed[kind] += 1
            found.theirs["under another name"].append(f"{told} ≠ {our_places[kind, path, version]}")
        elif (path, name, version) in our_kinds:
            found.renamed[kind] += 1
            found.theirs["in another ecosystem"].append(f"{told} is {our_kinds[path, name, version]}")
        elif (kind, name) in our_names:
            found.theirs["with another version"].append(f"{told} ≠ {our_names[kind, name]}")
        else:
            found.theirs["which is not found"].append(told)
    their_names = {(kind, name) for kind, name, _ in theirs}
    their_places = {(kind, path) for (kind, _, _), path in theirs.items()}
    for key, path in sorted(ours.items()):
        kind, name, version = key
        if key not in theirs:
            same = (kind, name) in their_names or (kind, path) in their_places
            cause = "with another name or version, of the same file" if same else "which is not found"
            found.ours[cause].append(" ".join(key))
    return found


def _run(command: Sequence[str], output: Path) -> Run:
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_REGISTRY_INSECURE_USE_HTTP": "true"}
    # What is installed has its bytecode.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with output.open("wb") as stream:
        started = os.times().elapsed
        process = subprocess.Popen(command, stdout=stream, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    # A verdict is no error: watcher ends with 1 for an image that fails, and with 3 for one that is not fully known.
    assert process.returncode in (0, 1, 3), command
    wall = os.times().elapsed - started
    return Run(output=output, cpu=usage.ru_utime + usage.ru_stime, wall=wall, peak_mib=usage.ru_maxrss / 1024)


def _read(run: Run) -> Any:
    with run.output.open("rb") as stream:
        return json.loads(stream.readline())


def _of_syft(document: Any) -> Iterator[tuple[Key, str]]:
    for each in document["artifacts"]:
        kind = _TYPES.get(each["type"], each["type"])
        yield (kind, _name(kind, each["name"]), each["version"]), each["locations"][0]["path"].lstrip("/")


def _of_watcher(document: Any) -> Iterator[tuple[Key, str]]:
    for each in document["inspection"]["packages"]:
        yield (each["type"], _name(each["type"], each["name"]), each["version"]), each["path"].partition("!/")[0]


def _name(kind: str, name: str) -> str:
    """As far as both can know it: syft has no group in the name of a Java package."""
    if kind == "pypi":
        return re.sub(r"[-_.]+", "-", name).lower()
    return name.rpartition(":")[2] if kind == "maven" else name
