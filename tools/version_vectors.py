"""Holds the order of versions against files of pairs, `1.0 < 1.1` a line, as osv-scalibr has them.

    python -m tools.version_vectors DIRECTORY

Prints per file how many pairs are wrong, how many have a version that is refused, how many there are, and how many are compared a
second, each version read anew for each pair; then every pair that is wrong, and with --refused those too. Ends with 1 when one is
wrong. A file is of the ecosystem that its name begins with.
"""

import argparse
import operator
import re
import sys
import time
from pathlib import Path

from watcher.advisories.versions.catalog import order_of
from watcher.advisories.versions.protocol import Order, VersionError

ECOSYSTEMS = {
    "alpine": ("Alpine",),
    "debian": ("Debian",),
    "maven": ("Maven",),
    "nuget": ("NuGet",),
    "packagist": ("Packagist",),
    "pypi": ("PyPI",),
    "redhat": ("Red Hat",),
    "rubygems": ("RubyGems",),
    "semver": ("crates.io", "npm", "Go"),
}
_PAIR = re.compile(r"(\S+) ([<=>]) (\S+)")
_HOLDS = {"<": operator.lt, "=": operator.eq, ">": operator.gt}


def main() -> int:
    """The exit code: 1 when a pair is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--refused", action="store_true")
    options = parser.parse_args()
    failed = False
    print(f"{'file':34} {'ecosystem':10} {'wrong':>6} {'refused':>8} {'total':>7} {'pairs/s':>9}")
    for path in sorted(options.directory.glob("*.txt")):
        for ecosystem in ECOSYSTEMS.get(path.name.partition("-")[0], ()):
            order = order_of(ecosystem)
            assert order is not None
            pairs = [match.groups() for match in map(_PAIR.fullmatch, map(str.strip, path.read_text().splitlines())) if match]
            begun = time.perf_counter()
            answers = [_answer(order, *pair) for pair in pairs]
            seconds = time.perf_counter() - begun
            wrong = [pair for pair, answer in zip(pairs, answers, strict=True) if answer is False]
            refused = [pair for pair, answer in zip(pairs, answers, strict=True) if answer is None]
            failed = failed or bool(wrong)
            print(f"{path.name:34} {ecosystem:10} {len(wrong):6} {len(refused):8} {len(pairs):7} {len(pairs) / seconds:9.0f}")
            for pair in wrong:
                print("  wrong:", *pair)
            for pair in refused if options.refused else ():
                print("  refused:", *pair)
    return int(failed)


def _answer(order: Order, left: str, sign: str, right: str) -> bool | None:
    try:
        return bool(_HOLDS[sign](order(left), order(right)))
    except VersionError:
        return None


if __name__ == "__main__":
    sys.exit(main())
