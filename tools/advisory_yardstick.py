"""Holds our matching against osv-scanner's, over the same records and the same packages.

    python -m tools.advisory_yardstick OSV_SCANNER RECORDS.jsonl.gz… [--packages 3000] [--seed 1] [--show 10]

RECORDS are OSV records, one a line. Of the packages that they name some are drawn, each in several versions: bounds of its ranges,
some of those that are listed, and a few a little lower. Prints how many (package, version, advisory) both find and how many only
one does, by cause, with the first that have none. osv-scanner is run offline on a database made of the records. Written for its
version 1.9.2, which knows no AlmaLinux: its packages are given to it as Red Hat's.
"""

import argparse
import gzip
import json
import random
import re
import subprocess
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.inventories import an_inventory
from watcher.advisories.ecosystems import LANGUAGES
from watcher.advisories.importing import import_paths
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.versions.catalog import order_of
from watcher.advisories.versions.protocol import VersionError
from watcher.advisories.vulnerabilities import match
from watcher.kit.clock import utc_now
from watcher.model.inventory import Distro, Package, PackageRecord

# Of each package, from its bounds and from its list each.
_VERSIONS = 4
_TYPES = {ecosystem: purl_type for purl_type, ecosystem in LANGUAGES.items()}
_DISTRIBUTIONS = {
    "AlmaLinux": ("rpm", "almalinux"),
    "Alpine": ("apk", "alpine"),
    "Debian": ("deb", "debian"),
    "Ubuntu": ("deb", "ubuntu"),
}

_NO_SECURITY = re.compile(r"AL[BE]A-")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """A version of a package, as OSV names both."""

    ecosystem: str
    name: str
    version: str


@dataclass(frozen=True, slots=True, order=True)
class Answered:
    asked: Asked
    advisory: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scanner", type=Path)
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--packages", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10)
    options = parser.parse_args()
    records = [json.loads(line) for path in options.records for line in gzip.decompress(path.read_bytes()).splitlines()]
    by_id = {record["id"]: record for record in records}
    asked = drawn(records, options.packages, random.Random(options.seed))
    with tempfile.TemporaryDirectory() as folder:
        theirs = by_scanner(options.scanner, records, asked, Path(folder))
        ours = by_us(options.records, asked, Path(folder))
    print(f"{len(asked)} versions of {len({(each.ecosystem, each.name) for each in asked})} packages, {len(records)} records")
    for ecosystem in sorted({each.ecosystem for each in asked}):
        us, them = ({each for each in found if each.asked.ecosystem == ecosystem} for found in (ours, theirs))
        print(f"{ecosystem}: both {len(us & them)}, only we {len(us - them)}, only osv-scanner {len(them - us)}")
        for who, only, others in (("we", us - them, them), ("osv-scanner", them - us, us)):
            causes: defaultdict[str, list[Answered]] = defaultdict(list)
            found_by_others: defaultdict[Asked, set[str]] = defaultdict(set)
            for each in others:
                found_by_others[each.asked] |= _names(by_id[each.advisory])
            for each in sorted(only):
                causes[cause(each, by_id[each.advisory], found_by_others[each.asked])].append(each)
            for named, found in sorted(causes.items()):
                print(f"  only {who}: {len(found)}, {named or 'without a known cause'}")
                for each in () if named else found[: options.show]:
                    print(f"    {each.asked.name} {each.asked.version} {each.advisory}")


def cause(answered: Answered, record: Record, others: Collection[str]) -> str:
    """Why only one finds it, as far as that is known. `others` are the names of what the other finds."""
    asked = answered.asked
    if not _names(record).isdisjoint(others):
        return "the other finds it by an advisory with the same alias"
    if _NO_SECURITY.match(record["id"]) and not any(name.startswith("CVE-") for name in record.get("related") or ()):
        return "an erratum that mends no vulnerability is none for us"
    order = order_of(asked.ecosystem)
    affected = [
        each
        for each in record["affected"]
        if each["package"] == each["package"] | {"ecosystem": asked.ecosystem, "name": asked.name}
    ]
    kinds = [[each["type"] for each in entry.get("ranges") or ()] for entry in affected]
    try:
        assert order is not None
        order(asked.version)
    except VersionError:
        return "the version is refused: we say that it cannot be compared"
    if any(each[:1] == ["GIT"] and len(each) > 1 for each in kinds):
        return "osv-scanner reads no range after one of commits"
    fixes = [
        event["fixed"] for entry in affected for each in entry.get("ranges") or () for event in each["events"] if "fixed" in event
    ]
    if asked.ecosystem.startswith("AlmaLinux") and any("module" in fixed for fixed in fixes) is not ("module" in asked.version):
        return "an erratum for a module is about no other package, and one that is for none about no module's"
    if len(kinds) > 1 and asked.ecosystem.startswith("AlmaLinux"):
        return "an erratum lists several builds, of which one is enough for us"
    return ""


def drawn(records: Iterable[Record], packages: int, chance: random.Random) -> list[Asked]:
    """Versions of packages that are named, those at the bounds of ranges first."""
    bounds: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    listed: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        for affected in record.get("affected") or ():
            package = affected.get("package") or {}
            if not _known(package.get("ecosystem", "")):
                continue
            place = (package["ecosystem"], package["name"])
            listed[place].update(affected.get("versions") or ())
            for each in affected.get("ranges") or ():
                if each["type"] != "GIT":
                    bounds[place].update(
                        version for event in each["events"] for version in event.values() if version not in {"0", "*"}
                    )
    places = sorted(bounds.keys() | listed.keys())
    asked = []
    for place in chance.sample(places, min(packages, len(places))):
        of_bounds, of_list = sorted(bounds[place]), sorted(listed[place])
        versions = {
            *chance.sample(of_bounds, min(_VERSIONS // 2, len(of_bounds))),
            *chance.sample(of_list, min(_VERSIONS // 2, len(of_list))),
        }
        versions |= {_below(version) for version in list(versions)[:2]}
        asked += [Asked(*place, version) for version in sorted(versions)]
    return asked


def by_scanner(scanner: Path, records: Iterable[Record], asked: Iterable[Asked], folder: Path) -> set[Answered]:
    by_ecosystem: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for record in records:
        text = json.dumps(record).replace('"AlmaLinux:', '"Red Hat:')
        for affected in record.get("affected") or ():
            by_ecosystem[_theirs((affected.get("package") or {}).get("ecosystem", ""))][record["id"]] = text
    for ecosystem, found in by_ecosystem.items():
        place = folder / "osv-scanner" / ecosystem
        place.mkdir(parents=True)
        with zipfile.ZipFile(place / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in found.items():
                archive.writestr(f"{name}.json", text)
    lock = folder / "packages.json"
    packages = [{"package": {"name": each.name, "version": each.version, "ecosystem": _theirs(each.ecosystem)}} for each in asked]
    lock.write_text(json.dumps({"results": [{"packages": packages}]}))
    command: list[str | Path] = [scanner, "scan", "--experimental-offline", "--experimental-local-db-path", folder]
    # It ends with 1 when it found something.
    run = subprocess.run([*command, "--format", "json", "--lockfile", f"osv-scanner:{lock}"], capture_output=True, check=False)
    if not run.stdout:
        raise SystemExit(run.stderr.decode(errors="replace"))
    return {
        Answered(
            Asked(_ours(each["package"]["ecosystem"]), each["package"]["name"], each["package"]["version"]), vulnerability["id"]
        )
        for result in json.loads(run.stdout)["results"]
        for each in result["packages"]
        for vulnerability in each["vulnerabilities"]
    }


def _names(record: Record) -> set[str]:
    return {record["id"], *(record.get("aliases") or ())}


def _theirs(ecosystem: str) -> str:
    return ecosystem.replace("AlmaLinux", "Red Hat")


def _ours(ecosystem: str) -> str:
    return ecosystem.replace("Red Hat", "AlmaLinux")


def by_us(paths: Iterable[Path], asked: Iterable[Asked], folder: Path) -> set[Answered]:
    import_paths(paths, folder / "advisories.db", now=utc_now())
    data = AdvisoryFile(folder / "advisories.db")
    by_release: defaultdict[str, list[Asked]] = defaultdict(list)
    for each in asked:
        by_release["" if each.ecosystem in _TYPES else each.ecosystem].append(each)
    return {answer for release, some in by_release.items() for answer in _of_release(data, release, some)}


def _of_release(data: AdvisoryFile, release: str, asked: Iterable[Asked]) -> Iterator[Answered]:
    """Of an image of one release, or of any for packages that are of no distribution. A package's path is its number."""
    numbered = list(asked)
    distribution, _, version = release.partition(":")
    packages = tuple(
        Package(
            record=PackageRecord(
                type=_TYPES.get(each.ecosystem) or _DISTRIBUTIONS[distribution][0],
                name=each.name,
                version=each.version,
                purl=f"pkg:any/{number}",
            ),
            path=str(number),
            layer=0,
        )
        for number, each in enumerate(numbered)
    )
    distro = Distro(id=_DISTRIBUTIONS[distribution][1], version=version.removeprefix("v"), known=True) if release else Distro()
    for known, package in match(data, an_inventory(packages=packages, distro=distro)).found:
        for advisory in known.advisories:
            yield Answered(numbered[int(package.path)], advisory.id)


def _known(ecosystem: str) -> bool:
    return ecosystem in _TYPES or ecosystem.partition(":")[0] in _DISTRIBUTIONS


def _below(version: str) -> str:
    """A version that is often a little lower: its last digit that is not 0 is lowered by one."""
    for place in range(len(version) - 1, -1, -1):
        if version[place] in "123456789":
            return f"{version[:place]}{int(version[place]) - 1}{version[place + 1 :]}"
    return version


if __name__ == "__main__":
    main()
