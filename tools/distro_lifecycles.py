"""Writes when distributors end the support of their releases, from a clone of endoflife.date.

    python tools/distro_lifecycles.py PATH_TO_CLONE

The dates are of https://github.com/endoflife-date/endoflife.date (MIT), as of the commit that is checked out there.
"""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).resolve().parent.parent / "watcher" / "evaluation" / "document" / "lifecycles.json"

# By ID of os-release: the products whose releases have it, and the column that says until when everybody gets fixes.
PRODUCTS = {
    "almalinux": ("almalinux", "eol"),
    "alpine": ("alpine-linux", "eol"),
    "amzn": ("amazon-linux", "eol"),
    "centos": ("centos centos-stream", "eol"),
    "debian": ("debian", "eoes"),  # the team of LTS is the distributor's
    "fedora": ("fedora", "eol"),
    "mageia": ("mageia", "eol"),
    "nixos": ("nixos", "eol"),
    "ol": ("oracle-linux", "eol"),
    "opensuse-leap": ("opensuse", "eol"),
    "photon": ("vmware-photon", "eol"),
    "rhel": ("rhel", "eol"),
    "rocky": ("rocky-linux", "eol"),
    "sles": ("sles", "eol"),
    "ubuntu": ("ubuntu", "eol"),
}
# What has no releases has no end.
ROLLING = ("arch", "chainguard", "gentoo", "kali", "opensuse-tumbleweed", "void", "wolfi")


def main() -> None:
    clone = sys.argv[1]
    ends = {distro: _ends(clone, products, column) for distro, (products, column) in PRODUCTS.items()}
    table = {"as_of": _git(clone, "log", "-1", "--format=%cs").strip(), "rolling": ROLLING, "ends": ends}
    TABLE.write_text(json.dumps(table, indent=1) + "\n")


def _ends(clone: str, products: str, column: str) -> dict[str, str | None]:
    """By release; None where none is announced."""
    found: dict[str, str | None] = {}
    for product in products.split():
        _, matter, _ = _git(clone, "show", f"HEAD:products/{product}.md").split("---\n", 2)
        for release in yaml.safe_load(matter)["releases"]:
            cycle = str(release["releaseCycle"]).removesuffix(".*")
            end = _date(release.get(column)) or _date(release["eol"])
            # Of a name that two products have the later one counts.
            if cycle not in found or (found[cycle] or "9") < (end or "9"):
                found[cycle] = end
    return found


def _date(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, date) else None


def _git(clone: str, *arguments: str) -> str:
    return subprocess.run(["git", "-C", clone, *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
