"""What two readers make of an archive: Go's archive/tar, which unpacks layers for docker, containerd and podman, and the walker."""

import base64
import json
import lzma
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from watcher.inspection.confined.tar import GNU_SPARSE, HARD_LINK, PAX_GLOBAL, REGULAR, SYMBOLIC_LINK, TarReader
from watcher.inspection.confined.tar_pieces import DamagedTarError

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "tests" / "golden" / "tar" / "go.jsonl.xz"

# As much of a content as main.go looks at.
MAX_CONTENT_BYTES = 1 << 20

Seen = tuple[bytes, int, int, int, int, int, bytes, str]
"""name, type, mode, uid, gid, size, link target, digest of the content; empty where it is longer than what is looked at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`damage` is what a reader refuses; `notes` are problems that it has with members which it reads all the same."""

    members: list[Seen]
    damage: str
    notes: tuple[str, ...] = ()


def asked_of_go(archives: list[bytes]) -> list[dict[str, Any]]:
    """What main.go says of each. Needs Go."""
    stream = b"".join(len(raw).to_bytes(4, "big") + raw for raw in archives)
    done = subprocess.run(["go", "run", "main.go"], cwd=HERE, input=stream, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_go(said: dict[str, Any]) -> Reading:
    """As runtimes take it: they make no file of a global header, and hand the low 32 bits of an owner to the kernel.

    GNU's own type of sparse files is a regular one here, as it is to the walker.
    """
    members = [
        (
            base64.b64decode(each["name"]),
            REGULAR if each["type"] == GNU_SPARSE else each["type"],
            each["mode"] & 0o7777,
            _owner(each["uid"]),
            _owner(each["gid"]),
            each["size"],
            base64.b64decode(each["link"]) if each["type"] in (SYMBOLIC_LINK, HARD_LINK) else b"",
            each["digest"] if each["size"] <= MAX_CONTENT_BYTES else "",
        )
        for each in said["members"]
        if each["type"] != PAX_GLOBAL
    ]
    return Reading(members=members, damage=said["error"])


def by_us(raw: bytes, step: int = MAX_CONTENT_BYTES) -> Reading:
    """What the walker sees when the archive comes in pieces of `step` bytes and everything is asked for."""
    reader = TarReader(raw[first : first + step] for first in range(0, len(raw), step))
    members: list[Seen] = []
    damage = ""
    try:
        for _, kind, owner, size, link, _, name, content, _ in reader.members():
            if isinstance(content, bytes):
                members[-1] = (*members[-1][:7], sha256(content).hexdigest()[:16])
            else:
                reader.keep = size <= MAX_CONTENT_BYTES
                members.append((name, kind, *owner, size, link, ""))
    except DamagedTarError as error:
        damage = str(error)
    problems = reader.problems.all()
    damage = damage or next((each.reason for each in problems if each.reason == "damaged-sparse-file"), "")
    return Reading(members=members, damage=damage, notes=tuple(each.reason for each in problems))


def difference(go: Reading, ours: Reading) -> str:
    """How an archive is read otherwise by the walker, which has found no damage in it; nothing if it is not."""
    if ours.damage:
        return ""
    if go.damage:
        return f"Go says {go.damage!r}, and we say nothing"
    if len(go.members) != len(ours.members):
        return f"Go has {len(go.members)} members, and we have {len(ours.members)}"
    for theirs, own in zip(go.members, ours.members, strict=True):
        if theirs != own:
            return f"Go has {theirs}, and we have {own}"
    return ""


def record(archives: list[bytes]) -> None:
    """Write the golden file anew."""
    said = zip(archives, asked_of_go(archives), strict=True)
    lines = "\n".join(json.dumps({"archive": base64.b64encode(raw).decode(), "go": seen}) for raw, seen in said)
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(lzma.compress(lines.encode(), preset=9 | lzma.PRESET_EXTREME))


def recorded() -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Every archive of the golden file, and what Go said of it."""
    for line in lzma.decompress(GOLDEN.read_bytes()).splitlines():
        kept = json.loads(line)
        yield base64.b64decode(kept["archive"]), kept["go"]


def _owner(number: int) -> int:
    low = number & 0xFFFFFFFF
    return 0 if low == 0xFFFFFFFF else low
