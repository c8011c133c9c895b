"""What `watcher demo` knows of vulnerabilities: two public ones, so that it needs no network."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from watcher.advisories.importing import import_paths

# In OSV's form. Debian's is about a package that every image of the demo has mended; it says that Debian is covered.
RECORDS: Sequence[dict[str, Any]] = (
    {
        "id": "GHSA-8q59-q68h-6hv4",
        "aliases": ["CVE-2020-14343"],
        "summary": "PyYAML runs code that is in the YAML it loads",
        "published": "2021-03-25T21:26:26Z",
        "modified": "2021-03-25T21:26:26Z",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "pyyaml"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.4"}]}],
            }
        ],
        "database_specific": {"severity": "CRITICAL"},
    },
    {
        "id": "DEBIAN-CVE-2023-5363",
        "upstream": ["CVE-2023-5363"],
        "published": "2023-10-25T18:17:43Z",
        "modified": "2023-10-25T18:17:43Z",
        "affected": [
            {
                "package": {"ecosystem": "Debian:12", "name": "openssl"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.11-1~deb12u2"}]}],
            }
        ],
    },
)
# As CISA's catalogue has them; this one is in none of the demo's images. It says that there is a list.
EXPLOITED = {"vulnerabilities": [{"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10"}]}


def write_advisories(folder: Path, *, now: datetime) -> None:
    """Import them into `advisories.db` in the folder, which is where a configuration in it looks for them."""
    records = folder / "osv"
    records.mkdir()
    for record in RECORDS:
        (records / f"{record['id']}.json").write_text(json.dumps(record), encoding="utf-8")
    (records / "kev.json").write_text(json.dumps({"catalogVersion": "demo", **EXPLOITED}), encoding="utf-8")
    import_paths([records], folder / "advisories.db", now=now)
