"""One layer as a worker reads it: entries, removals, databases, texts, secrets, and what is wrong with it."""

import io
import random
import tarfile
from typing import TypeVar

import pytest

from tests.doubles.image_sources import LIMITS, entry, gzipped, tar_of
from watcher.inspection.confined.decompress import Input
from watcher.inspection.confined.layer_reader import LayerReader, Search
from watcher.inspection.secrets.rules import SecretRules
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import MAX_MESSAGE_BYTES, Alias, Limits, Message, Problems, Rows, encoded
from watcher.model.digest import digest_of
from watcher.model.inventory import LayerFacts, Problem

RULES = SecretRules.load(b"salt")
SEARCH = Search.of(RULES)

STATUS = b"""Package: openssl
Status: install ok installed
Version: 3.0.11-1
Architecture: amd64

"""
METADATA = b"Metadata-Version: 2.1\nName: Flask\nVersion: 3.0.3\n\n"
# Made up for this test; it is split so that no scanner takes this file for a leak.
KEY = b"AKIA" + b"XGAI3MCJB5MCVSQO"

_Kind = TypeVar("_Kind", bound=Message)


def read(raw: bytes, limits: Limits = LIMITS) -> list[Message]:
    messages: list[Message] = []
    stream = io.BytesIO(raw)
    reader = LayerReader(limits=limits, search=SEARCH, emit=messages.append)
    reader.read(Input(stream.read))
    assert stream.read() == b"", "every byte of the input is read, or it could not be verified"
    assert all(len(encoded(message)) <= MAX_MESSAGE_BYTES for message in messages)
    return messages


def facts(*members: tarfile.TarInfo | tuple[str, bytes], limits: Limits = LIMITS) -> LayerFacts:
    return facts_of(gzipped(tar_of(*members)), limits)


def facts_of(raw: bytes, limits: Limits = LIMITS) -> LayerFacts:
    collector = Collector(limits)
    for message in read(raw, limits):
        collector.add(message)
    found = collector.facts(digest_of(raw), ())
    assert found.compressed_bytes == len(raw)
    return found


def problems(found: LayerFacts) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(problem.reason, problem.sections, problem.fatal) for problem in found.problems]


def of(messages: list[Message], kind: type[_Kind]) -> list[_Kind]:
    return [message for message in messages if isinstance(message, kind)]


def test_every_kind_of_entry_is_listed() -> None:
    """Files, directories, links, devices and pipes, with mode, owner, size and target."""
    found = facts(
        entry("bin", tarfile.DIRTYPE, mode=0o1777),
        ("bin/tool", b"12345"),
        entry("bin/t", tarfile.SYMTYPE, "/bin/tool", 0o777),
        entry("bin/u", tarfile.LNKTYPE, "./bin/tool", 0o4755),
        entry("dev/null", tarfile.CHRTYPE, mode=0o666),
        entry("dev/sda", tarfile.BLKTYPE, mode=0o660),
        entry("run/pipe", tarfile.FIFOTYPE, mode=0o600),
    ).files
    assert list(zip(found.path, found.kind, found.mode, found.size, found.link, strict=True)) == [
        ("bin", "d", 0o1777, 0, ""),
        ("bin/tool", "f", 0o644, 5, ""),
        ("bin/t", "l", 0o777, 0, "/bin/tool"),
        ("bin/u", "h", 0o4755, 0, "bin/tool"),
        ("dev/null", "b", 0o666, 0, ""),
        ("dev/sda", "b", 0o660, 0, ""),
        ("run/pipe", "p", 0o600, 0, ""),
    ]
    assert found.layer == []


def test_a_name_that_is_no_utf8_is_written_in_hex() -> None:
    r"""Bytes that are no text become `\xNN`; a line break stays what it is."""
    raw = tar_of(("caf?", b""), ("new\nline", b"")).replace(b"caf?", b"caf\xe9")
    raw = raw.replace(raw[148:156], b"%06o\0 " % (sum(raw[:148]) + 256 + sum(raw[156:512])), 1)
    assert facts_of(raw).files.path == ["caf\\xe9", "new\nline"]


def test_a_path_that_a_layer_has_twice_is_what_it_was_last() -> None:
    """The later entry replaces the earlier, also when it is of another kind."""
    found = facts(("a", b"first"), ("b", b""), ("a", b"last one"), entry("b", tarfile.DIRTYPE))
    assert dict(zip(found.files.path, found.files.kind, strict=True)) == {"a": "f", "b": "d"}
    assert found.files.size[found.files.path.index("a")] == 8


def test_removals_are_no_entries() -> None:
    """Whiteouts and opaque directories say what is gone from below; the marks of AUFS say nothing."""
    found = facts(("etc/.wh.passwd", b""), (".wh.root", b""), ("srv/.wh..wh..opq", b""), (".wh..wh.aufs", b""), (".wh.", b""))
    assert (found.whiteouts, found.opaque, found.files.path) == (("etc/passwd", "root"), ("srv",), [])


def test_databases_and_texts_are_read_whole() -> None:
    """What a cataloger asks for by its place, and the files that explain the image."""
    found = facts(
        ("var/lib/dpkg/status", STATUS),
        ("opt/lib/python3/site-packages/flask-3.0.3.dist-info/METADATA", METADATA),
        ("etc/os-release", b"ID=debian\n"),
        ("home/etc/os-release", b"ID=other\n"),
        ("docs/METADATA", METADATA),
    )
    assert [(each.path, each.system, [package.name for package in each.packages]) for each in found.databases] == [
        ("var/lib/dpkg/status", True, ["openssl"]),
        ("opt/lib/python3/site-packages/flask-3.0.3.dist-info/METADATA", False, ["Flask"]),
    ]
    assert found.texts == {"etc/os-release": b"ID=debian\n"}
    assert not found.problems


def test_a_database_may_have_thousands_of_packages() -> None:
    """It is cut into messages that are small enough, and put together again in order."""
    stanzas = [STATUS.replace(b"openssl", b"package-%06d" % number) for number in range(8000)]
    found = facts(("var/lib/dpkg/status", b"".join(stanzas)))
    (database,) = found.databases
    assert [package.name for package in database.packages] == [f"package-{number:06}" for number in range(8000)]


def test_a_later_entry_replaces_a_database() -> None:
    """A database that the same layer overwrites by something else is none any more."""
    found = facts(("var/lib/dpkg/status", STATUS), entry("var/lib/dpkg/status", tarfile.SYMTYPE, "elsewhere"))
    assert found.databases == ()
    found = facts(("etc/passwd", b"a:x:1:1\n"), ("etc/passwd", b"b:x:2:2\n"))
    assert found.texts == {"etc/passwd": b"b:x:2:2\n"}


def test_a_hard_link_to_a_database_is_one() -> None:
    """It has what its target has, when that was kept."""
    found = facts(
        ("var/lib/dpkg/status", STATUS),
        entry("srv/root/dpkg/status", tarfile.LNKTYPE, "./var/lib/dpkg/status"),
        ("usr/lib/os-release", b"ID=debian\n"),
        entry("etc/os-release", tarfile.LNKTYPE, "usr/lib/os-release"),
    )
    assert [each.path for each in found.databases] == ["var/lib/dpkg/status", "srv/root/dpkg/status"]
    assert found.texts["etc/os-release"] == b"ID=debian\n"


def test_a_hard_link_to_what_was_not_kept_is_said() -> None:
    """The content went by before anyone knew that it was a database."""
    found = facts(
        ("anything", STATUS),
        entry("var/lib/dpkg/status", tarfile.LNKTYPE, "anything"),
        entry("etc/passwd", tarfile.LNKTYPE, "other"),
    )
    assert {problem.reason for problem in found.problems} == {"hard-link-unread"}
    assert {section for problem in found.problems for section in problem.sections} == {"packages", "users", "distro"}


def test_a_hard_link_has_the_content_that_its_target_had_by_then() -> None:
    """What the layer writes over the target afterwards is another file; a link to a link is the same file."""
    other = STATUS.replace(b"Package: ", b"Package: other-")
    path = "var/lib/dpkg/status"
    found = facts((f"a/{path}", STATUS), entry(f"b/{path}", tarfile.LNKTYPE, f"a/{path}"), (f"a/{path}", other))
    names = {database.path: database.packages[0].name for database in found.databases}
    assert names == {f"a/{path}": "other-" + names[f"b/{path}"], f"b/{path}": names[f"b/{path}"]}
    chain = facts(
        (f"a/{path}", STATUS), entry(f"b/{path}", tarfile.LNKTYPE, f"a/{path}"), entry(f"c/{path}", tarfile.LNKTYPE, f"b/{path}")
    )
    assert [database.path for database in chain.databases] == [f"a/{path}", f"b/{path}", f"c/{path}"]
    early = facts(entry(f"b/{path}", tarfile.LNKTYPE, f"a/{path}"), (f"a/{path}", STATUS))
    assert [database.path for database in early.databases] == [f"a/{path}"]
    assert [problem.reason for problem in early.problems] == ["hard-link-unread"]


def test_a_hard_link_to_a_database_of_another_kind_was_not_read() -> None:
    """The same bytes say something else to the tools of the other kind."""
    wheel = "a.dist-info/METADATA"
    found = facts((wheel, b"Name: a\nVersion: 1\n"), entry("var/lib/dpkg/status", tarfile.LNKTYPE, wheel))
    assert [database.path for database in found.databases] == [wheel]
    assert problems(found) == [("hard-link-unread", ("packages",), False)]


def test_what_a_path_was_before_is_kept_where_a_hard_link_leads_to_it() -> None:
    """Its mode is the link's."""
    found = facts(("a", b"first"), entry("b", tarfile.LNKTYPE, "a"), ("c", b""), ("a", b"last one"), ("c", b"x"))
    assert list(zip(found.files.path, found.files.size, strict=True)) == [("a", 5), ("b", 0), ("a", 8), ("c", 1)]


def test_a_database_that_is_none_is_said() -> None:
    """Bytes in the place of dpkg's status that hold no package."""
    assert problems(facts(("var/lib/dpkg/status", b"\0\1\2" * 100))) == [("damaged-database", ("packages",), False)]


def test_what_is_too_large_to_be_read_is_said() -> None:
    """A database beyond its cataloger's budget and a text of more than 1 MiB are not cut, but left out."""
    found = facts(("node_modules/x/package.json", b" " * (3 * 1024 * 1024)), ("etc/passwd", b"x" * (1024 * 1024 + 1)))
    assert problems(found) == [
        ("database-too-large", ("packages",), False),
        ("text-too-large", ("users", "distro"), False),
    ]


def test_secrets_are_found_with_path_and_line() -> None:
    """Anywhere in the layer, also in an entry that leads outside of it."""
    found = facts(("root/.aws/credentials", b"[default]\naws_access_key_id = " + KEY + b"\n"), ("../out", KEY))
    assert [(hit.rule, hit.path, hit.line) for hit in found.secrets] == [
        ("aws-access-key-id", "root/.aws/credentials", 2),
        ("aws-access-key-id", "../out", 1),
    ]
    assert KEY.decode() not in repr(found)


def test_an_entry_that_leads_outside_is_left_out_and_said() -> None:
    """However many there are, it is one problem."""
    found = facts(("../a", b""), ("ok", b""), ("b/../../c", b""))
    assert found.files.path == ["ok"]
    (problem,) = found.problems
    assert (problem.reason, problem.sections) == ("unsafe-path", ("files",))
    assert problem.detail.endswith("'../a' (and 1 more)")


@pytest.mark.parametrize(
    "member",
    [
        entry("../etc/passwd", tarfile.REGTYPE),
        entry("x/../../var/lib/dpkg/status.d/curl", tarfile.REGTYPE),
        entry("../etc/.wh.passwd", tarfile.REGTYPE),
        entry("../etc", tarfile.SYMTYPE, "/srv"),
        entry("../lib/", tarfile.LNKTYPE, "usr"),
        entry("..", tarfile.SYMTYPE, "/srv"),
    ],
)
def test_an_entry_that_leads_outside_may_be_in_the_image(member: tarfile.TarInfo) -> None:
    """To containerd `../etc/passwd` is `/etc/passwd`: what would be read of it, or is hidden by it, is not known."""
    found = facts(member, ("etc/passwd", b"app:x:1000:1000::/:/bin/sh\n"))
    assert problems(found) == [
        ("unsafe-path", ("files",), False),
        ("unsafe-path-unread", ("packages", "users", "distro", "declared"), False),
    ]


def test_an_entry_of_an_unknown_type_is_said() -> None:
    """Nothing can be made of it, but the archive goes on."""
    odd = entry("odd", b"Z")
    found = facts(odd, ("after", b""))
    assert found.files.path == ["after"]
    assert problems(found) == [("unknown-entry", ("files",), False)]


def test_what_is_in_an_entry_of_an_unknown_type_is_searched() -> None:
    """It is of no file, but whoever pulls the layer has it."""
    odd = entry("odd", b"Z")
    odd.size = len(KEY)
    (hit,) = facts_of(tar_of(odd, form=tarfile.GNU_FORMAT)[:512] + KEY.ljust(512, b"\0") + tar_of(("after", b""))).secrets
    assert (hit.rule, hit.path) == ("aws-access-key-id", "")


@pytest.mark.parametrize("kind", [b"Z", b"7", tarfile.DIRTYPE, tarfile.SYMTYPE])
def test_a_whiteout_may_be_of_any_type(kind: bytes) -> None:
    """Runtimes look at nothing but its name."""
    found = facts(entry("usr/bin/.wh.su", kind), entry("srv/.wh..wh..opq", kind))
    assert (found.whiteouts, found.opaque, found.files.path, found.problems) == (("usr/bin/su",), ("srv",), [], ())


def sparse(path: str, *pieces: tuple[int, bytes]) -> bytes:
    """A file of format 0.1 whose holes are where no piece is."""
    member = tarfile.TarInfo("stored")
    stored = b"".join(content for _, content in pieces)
    member.size = len(stored)
    member.pax_headers = {
        "GNU.sparse.name": path,
        "GNU.sparse.size": str(pieces[-1][0] + len(pieces[-1][1])),
        "GNU.sparse.numblocks": str(len(pieces)),
        "GNU.sparse.map": ",".join(f"{offset},{len(content)}" for offset, content in pieces),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(stored))
    return buffer.getvalue()[:-8192]


def test_a_sparse_file_is_read_as_it_is_unpacked() -> None:
    """Its holes are zeros, for catalogers too, and it is as large as it claims."""
    found = facts_of(sparse("etc/passwd", (0, b"a:x:1:1\n"), (10, b"b:x:2:2\n")) + tar_of(("after", b"")))
    assert found.texts == {"etc/passwd": b"a:x:1:1\n\0\0b:x:2:2\n"}
    assert list(zip(found.files.path, found.files.size, strict=True)) == [("etc/passwd", 18), ("after", 0)]
    assert problems(found) == [("sparse-file", ("secrets",), False)]


def test_the_pieces_of_a_sparse_file_are_searched_one_by_one() -> None:
    """What is far behind in the file does not hide a secret because it is stored beside it."""
    found = facts_of(sparse("disk.img", (0, b"XYZ"), (8192, KEY), (20000, b"XYZ")) + tar_of(("after", KEY)))
    assert [(hit.path, hit.rule) for hit in found.secrets] == [(path, "aws-access-key-id") for path in ("disk.img", "after")]
    assert not found.problems


def test_a_sparse_file_of_any_size_costs_what_is_stored() -> None:
    """An exbibyte of zeros is not made; what would have to be read of it is said to be too large."""
    found = facts_of(sparse("var/lib/dpkg/status", (0, b"x"), (2**60, b"y")) + tar_of(("after", b"")))
    assert (found.files.path, found.files.size) == (["var/lib/dpkg/status", "after"], [2**60 + 1, 0])
    assert problems(found) == [("database-too-large", ("packages",), False)]


ALL = ("packages", "files", "secrets", "users", "distro", "declared")
SOUND = tar_of(("first", b"1" * 1000), ("second", random.Random(1).randbytes(100_000)))


@pytest.mark.parametrize(
    ("raw", "expected", "kept"),
    [
        (gzipped(b"this is no tar archive" * 100), ("not-a-tar", ALL, True), []),
        (b"\x1f\x8b\x08", ("truncated", ALL, True), []),
        (b"\xfd7zXZ\0" + bytes(100), ("unsupported-compression", ALL, True), []),
        (gzipped(SOUND)[:-200], ("truncated", ALL, False), None),
        (gzipped(SOUND)[:-8] + bytes(8), ("bad-checksum", ALL, False), ["first", "second"]),
        (gzipped(SOUND) + b"garbage", ("trailing-bytes", ("secrets",), False), ["first", "second"]),
        (gzipped(SOUND[:2000]), ("damaged-tar", ALL, False), ["first"]),
        (gzipped(SOUND[:1536] + b"\1" + SOUND[1537:]), ("damaged-tar", ALL, False), ["first"]),
    ],
)
def test_what_is_wrong_with_a_layer_is_one_problem(
    raw: bytes, expected: tuple[str, tuple[str, ...], bool], kept: list[str] | None
) -> None:
    """With what it makes incomplete; what came before is kept, and all of the input is read."""
    found = facts_of(raw)
    assert problems(found) == [expected]
    if kept is not None:
        assert found.files.path == kept


@pytest.mark.parametrize("padding", [0, 1, 511, 20_000, 600_000])
def test_what_lies_behind_the_end_is_searched(padding: int) -> None:
    """It is of no file, has no line, and no entry there is one."""
    behind = bytes(padding) + KEY + b"\n" + tar_of(("behind", b""))
    found = facts_of(gzipped(tar_of(("first", b"1")) + behind))
    assert [(hit.rule, hit.path, hit.line) for hit in found.secrets] == [("aws-access-key-id", "", None)]
    assert (found.files.path, found.problems) == (["first"], ())


@pytest.mark.parametrize("before", [b"", tar_of(("first", b"1"))[:1024], tar_of(("first", b"1"))[:1024] + bytes(512)])
def test_what_is_no_archive_is_searched(before: bytes) -> None:
    """From where it is damaged, and whole when it is none from the first byte."""
    found = facts_of(gzipped(before + b"id = " + KEY + b"\n" + b"nothing more\n" * 100))
    assert [(hit.rule, hit.path, hit.line) for hit in found.secrets] == [("aws-access-key-id", "", None)]
    assert [problem.reason for problem in found.problems] == ["damaged-tar" if before else "not-a-tar"]


def test_an_empty_layer_is_sound() -> None:
    """Builders write them for steps that change nothing."""
    assert problems(facts()) == []
    assert problems(facts_of(gzipped(b""))) == []


def test_a_layer_over_its_budget_is_cut_short() -> None:
    """More bytes or more entries than it may have: what was seen is kept, and the rest is read unseen."""
    few = Limits(plain_bytes=1 << 30, files=10, memory_bytes=1, cpu_seconds=1)
    small = Limits(plain_bytes=100_000, files=1000, memory_bytes=1, cpu_seconds=1)
    many = facts(*((f"f{number}", b"") for number in range(50)), limits=few)
    assert problems(many) == [("over-budget", ALL, False)]
    assert len(many.files) == 10
    large = facts(("a", b"1"), ("b", bytes(10_000_000)), limits=small)
    assert problems(large) == [("over-budget", ALL, False)]


def test_long_paths_make_more_messages_not_larger_ones() -> None:
    """Two thousand paths of 4 KiB that are no UTF-8 are cut into chunks."""
    members = [entry("d/" * 60 + f"{number:04}" + "é" * 1900, tarfile.DIRTYPE) for number in range(2100)]
    raw = tar_of(*members, form=tarfile.GNU_FORMAT).replace("é".encode(), b"\xe9\xe9")
    rows = of(read(raw), Rows)
    assert sum(len(chunk.path) for chunk in rows) == 2100
    assert len(rows) > 20


def test_problems_and_links_are_told_once_each() -> None:
    """A thousand bad entries are one message, not a thousand."""
    messages = read(gzipped(tar_of(*((f"../{number}", b"") for number in range(1000)))))
    (told,) = of(messages, Problems)
    assert isinstance(told.problems[0], Problem)
    assert len(told.problems) == 1
    assert not of(messages, Alias)
