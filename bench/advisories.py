"""Advisories: how fast they are imported, what they take, and how fast an image's packages are held against them.

python bench/advisories.py [RECORDS…] [--synthetic 250000] [--packages 1000]

First the files that are named, imported in a process of its own. Then so many synthetic records, in another; they have the shape of
OSV's: descriptions, links, several ranges, lists of versions, errata of many packages. Then packages of one image, of which
a third is in some advisory, held against that file: opened anew, and once more. Budgets are those of the project's design.
"""

import argparse
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.results import Result, told
from tests.doubles.inventories import an_inventory
from watcher.advisories.importing import import_paths
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.vulnerabilities import match
from watcher.kit.clock import utc_now
from watcher.model.inventory import Distro, Inventory, Package, PackageRecord

MIB = 2**20
RECORDS_A_SECOND = 4_000
SYNTHETIC, SYNTHETIC_SECONDS, SYNTHETIC_MB, SYNTHETIC_RSS_MIB = 250_000, 180.0, 1_500, 512
COLD_MS, WARM_MS = 40, 20
REPEATED = 15  # the least is taken: whatever else the machine does only adds to it
# How many of a hundred synthetic records each ecosystem has: the type of its packages, and how its versions are written.
ECOSYSTEMS = {
    "Debian:12": ("deb", "{0}.{1}.{2}-1+deb12u{3}", 30),
    "AlmaLinux:9": ("rpm", "1:{0}.{1}.{2}-{3}.el9_4", 10),
    "npm": ("npm", "{0}.{1}.{2}", 20),
    "PyPI": ("pypi", "{0}.{1}.{2}", 15),
    "Maven": ("maven", "{0}.{1}.{2}.Final", 10),
    "Go": ("golang", "{0}.{1}.{2}", 10),
    "RubyGems": ("gem", "{0}.{1}.{2}", 5),
}
PACKAGES_OF_AN_ECOSYSTEM = 30_000  # so that an image of a thousand packages is held against some 1 900 ranges


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, nargs="*")
    parser.add_argument("--synthetic", type=int, default=SYNTHETIC)
    parser.add_argument("--packages", type=int, default=1_000)
    parser.add_argument("--import-into", type=Path, help="import the files here, and print what it took as JSON")
    asked = parser.parse_args()
    if asked.import_into:
        print(json.dumps(_imported(asked.records, asked.import_into)))
        return 0
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        if asked.records:
            took = _in_a_process(asked.records, Path(folder, "named.db"))
            print(f"import of the files named: {_sentence(took)}")
            rate = took["records"] / took["seconds"]
            results.append(Result(what="import of advisory files", unit="records/s", ours=rate, least=RECORDS_A_SECOND))
        written = Path(folder, "synthetic.jsonl.gz")
        with gzip.open(written, "wt", compresslevel=1) as file:
            file.writelines(f"{json.dumps(record)}\n" for record in synthetic(asked.synthetic))
        file_of_all = Path(folder, "synthetic.db")
        took = _in_a_process([written], file_of_all)
        print(f"import of synthetic records: {_sentence(took)}")
        what, share = f"import of {asked.synthetic} advisories", asked.synthetic / SYNTHETIC
        results += (
            Result(what=f"{what}, time", unit="s", ours=took["seconds"], most=SYNTHETIC_SECONDS * share),
            Result(what=f"{what}, file", unit="MB", ours=took["bytes"] / 10**6, most=SYNTHETIC_MB * share),
            Result(what=f"{what}, memory", unit="MiB", ours=took["rss"] / MIB, most=SYNTHETIC_RSS_MIB),
        )
        results += _matched(file_of_all, an_image(asked.packages))
    return told(*results)


def synthetic(count: int) -> Iterator[dict[str, Any]]:
    """Records, the same for the same count."""
    chance = random.Random(18)
    names, weights = list(ECOSYSTEMS), [weight for _, _, weight in ECOSYSTEMS.values()]
    words = ("remote", "attacker", "crafted", "request", "memory", "corruption", "denial", "bypass", "version", "before", "parser")
    for number in range(count):
        ecosystem = chance.choices(names, weights)[0]
        errata = ecosystem.startswith("AlmaLinux")
        identifier = f"ALSA-2026:{number}" if errata else f"GHSA-{number:04x}-bench-{number % 9973:04x}"
        yield {
            "id": identifier,
            "aliases": [] if errata else [f"CVE-{2015 + number % 12}-{10000 + number}"],
            "related": [f"CVE-2026-{20000 + number}"] if errata else [],
            "summary": " ".join(chance.choices(words, k=9)),
            "details": " ".join(chance.choices(words, k=150)),
            "published": "2026-01-02T03:04:05Z",
            "modified": "2026-03-04T05:06:07Z",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "references": [{"type": "WEB", "url": f"https://example.com/{identifier}/{part}"} for part in range(4)],
            "affected": [_affected(ecosystem, chance) for _ in range(12 if errata else 1 + number % 3)],
        }


def _affected(ecosystem: str, chance: random.Random) -> dict[str, Any]:
    _, written, _ = ECOSYSTEMS[ecosystem]
    # Few packages have most of the advisories.
    package = f"package-{int(PACKAGES_OF_AN_ECOSYSTEM * chance.random() ** 3)}"
    fixed = written.format(chance.randint(1, 9), chance.randint(0, 30), chance.randint(0, 30), chance.randint(1, 9))
    versions = [f"{major}.{minor}.0" for major in range(1, 4) for minor in range(10)] if ecosystem == "PyPI" else []
    events = [{"introduced": "0"}, {"fixed": fixed}]
    return {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        "versions": versions,
    }


def an_image(packages: int) -> Inventory:
    """A Debian with so many packages, two thirds of them of the distribution and a third of it in no advisory."""
    chance = random.Random(18)
    found = []
    for number in range(packages):
        ecosystem = "Debian:12" if number % 3 else chance.choice(["npm", "PyPI", "Maven", "Go", "RubyGems"])
        package_type, written, _ = ECOSYSTEMS[ecosystem]
        name = f"package-{chance.randrange(PACKAGES_OF_AN_ECOSYSTEM)}" if number % 3 == 1 else f"other-{number}"
        version = written.format(*(chance.randint(1, 9) for _ in range(4)))
        record = PackageRecord(type=package_type, name=name, version=version, purl=f"pkg:{package_type}/{name}@{version}")
        found.append(Package(record=record, path=f"place/{number}", layer=0))
    return an_inventory(packages=tuple(found), distro=Distro(id="debian", version="12", known=True))


def _matched(file: Path, image: Inventory) -> tuple[Result, ...]:
    cold, warm = [], []
    for _ in range(REPEATED):
        data = AdvisoryFile(file)
        started = time.perf_counter()
        found = match(data, image).found
        between = time.perf_counter()
        match(data, image)
        cold.append(between - started)
        warm.append(time.perf_counter() - between)
        data.close()
    print(f"{len(image.packages)} packages, {len(found)} vulnerabilities")
    what = f"advisories of {len(image.packages)} packages"
    return (
        Result(what=f"{what}, data opened anew", unit="ms", ours=1000 * min(cold), most=COLD_MS),
        Result(what=f"{what}, once more", unit="ms", ours=1000 * min(warm), most=WARM_MS),
    )


def _in_a_process(records: list[Path], target: Path) -> dict[str, float]:
    run = subprocess.run([sys.executable, __file__, *records, "--import-into", target], check=True, capture_output=True)
    took: dict[str, float] = json.loads(run.stdout)
    return took


def _imported(records: list[Path], target: Path) -> dict[str, float]:
    started = time.perf_counter()
    report = import_paths(records, target, now=utc_now())
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "records": report.records,
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "bytes": target.stat().st_size,
        "rss": used.ru_maxrss * 1024,
    }


def _sentence(took: dict[str, float]) -> str:
    return (
        f"{took['records']:.0f} records in {took['seconds']:.1f} s, {took['records'] / took['seconds']:.0f} a second, "
        f"{took['records'] / took['cpu_seconds']:.0f} a second of one processor, "
        f"{took['bytes'] / 10**6:.0f} MB, peak {took['rss'] / MIB:.0f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
