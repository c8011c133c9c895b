"""Values of secrets are taken out of facts, and what cannot be judged any more is said."""

import json
import tarfile
from dataclasses import replace

import pytest

from tests.unit.inspection.test_image_assembly import RULES, parts, read, states
from tests.unit.inspection.test_layer_reader import facts
from watcher.inspection.hiding import Hiding, carries, hidden_layer
from watcher.inspection.image.assembly import assembled
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import MAX_HIDDEN, Hidden, Limits
from watcher.model.digest import digest_of
from watcher.model.errors import WorkerFailedError
from watcher.model.image import HistoryEntry, ImageConfig
from watcher.model.inventory import FileTable, LayerFacts, PackageDatabase, PackageRecord, SecretHit

KEY = "AKIA" + "3X5QJ7LWNZKD2VTF"
PASSWORD = "k9xQ2b7pLw+Zt4"


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize("name", ["srv/{}.pem", "srv/" + "d/" * 60 + "{}.pem", "srv/" + "d" * 90 + "{}" + "e" * 90, "srv/.wh.{}"])
def test_a_key_in_a_name_is_found_and_hidden(name: str) -> None:
    """In a name of any length, also of what is removed; two values differ in what is shown instead, as they do themselves."""
    other = KEY[:-1] + "E"
    found = facts((name.format(KEY), b"x"), (name.format(other), b"x"))
    path = name.format("***").replace(".wh.", "")
    shown = {path.replace("***", f"***{RULES.fingerprint(value.encode())}") for value in (KEY, other)}
    assert {*found.files.path, *found.whiteouts} == shown == {hit.path for hit in found.secrets}
    assert {hit.rule for hit in found.secrets} == {"aws-access-key-id"}
    assert KEY not in repr(found)
    assert found.problems == ()


def test_a_key_in_a_link_or_an_attribute_is_found_and_hidden() -> None:
    """The link is named; an attribute is nobody's name."""
    attributed = tarfile.TarInfo("srv/x")
    attributed.pax_headers = {"SCHILY.xattr.user.note": f"{KEY[:-1]}E"}
    found = facts(link("srv/link", f"/keys/{KEY}"), attributed)
    assert [hit.path for hit in found.secrets] == ["srv/link", "(a header of the archive)"]
    assert found.files.link[0] == f"/keys/***{RULES.fingerprint(KEY.encode())}"


def test_a_value_of_a_file_is_hidden_wherever_the_layer_has_it() -> None:
    """What only a name gave away may be another name: what could be asked for by it is not complete any more."""
    package = json.dumps({"name": "left-pad", "version": PASSWORD, "license": "MIT"}).encode()
    found = facts(
        ("srv/app.env", f"DB_PASSWORD={PASSWORD}\n".encode()),
        (f"srv/{PASSWORD}/x", b""),
        ("srv/node_modules/left-pad/package.json", package),
        ("etc/passwd", f"{PASSWORD}:x:0:0::/root:/bin/sh\n".encode()),
    )
    assert PASSWORD not in repr(found)
    assert {(problem.reason, problem.sections) for problem in found.problems} == {
        ("hidden-secret", ("files",)),
        ("hidden-secret", ("packages",)),
        ("hidden-secret", ("users", "distro")),
    }


def test_a_password_of_an_example_hides_nothing() -> None:
    """It is made up, most likely, and no reason to doubt what else is called that."""
    found = facts(("srv/tests/app.env", f"DB_PASSWORD={PASSWORD}\n".encode()), (f"srv/{PASSWORD}/x", b""))
    assert [hit.confidence for hit in found.secrets] == ["low"]
    assert f"srv/{PASSWORD}/x" in found.files.path
    assert found.problems == ()


def test_a_password_that_is_a_word_hides_nothing_of_a_layer() -> None:
    """`postgres1` is a name with a number; a path, a package and a user may be called that."""
    found = facts(("srv/app.env", b"DB_PASSWORD=postgres1\n"), ("srv/postgres1/x", b""))
    assert "srv/postgres1/x" in found.files.path
    assert found.problems == ()


def test_a_password_of_a_variable_is_hidden_in_the_whole_image() -> None:
    """And of everything that it was hidden in the section says so: no author can call his package or his file a password."""
    package = PackageRecord(type="npm", name=PASSWORD, version="1")
    database = PackageDatabase(path=f"srv/{PASSWORD}/package.json", type="npm", packages=(package,))
    texts = {"etc/passwd": f"{PASSWORD}:x:0:0::/root:/bin/sh\n".encode()}
    layer = read("a", f"srv/{PASSWORD}", databases=(database,), texts=texts)
    steps = (HistoryEntry(created_by=f"COPY {PASSWORD} /"),)
    config = ImageConfig(env=(f"DB_PASSWORD={PASSWORD}",), user=f"u{PASSWORD}", history=steps)
    found = assembled(parts(layer, config=config), RULES, max_files=10)
    assert PASSWORD not in repr(found)
    assert {name for name, state in states(found).items() if state == "partial"} == {
        "packages",
        "files",
        "users",
        "distro",
        "declared",
    }


def test_a_key_that_its_look_gives_away_leaves_sections_complete() -> None:
    """No file of anybody is called that."""
    found = assembled(parts(read("a", f"srv/{KEY}"), config=ImageConfig(env=(f"X={KEY}",))), RULES, max_files=10)
    assert found.files.path == ["srv/***"]
    assert states(found)["files"] == "complete"


def test_a_value_that_only_another_layer_is_known_to_have_is_recognised() -> None:
    """Its facts were kept without it; whoever has the salt knows it again."""
    hit = SecretHit(
        rule="config-password", title="", path="a", line=1, fingerprint=RULES.fingerprint(PASSWORD.encode()), preview=""
    )
    config = ImageConfig(labels={"note": f"see {PASSWORD}"}, cmd=("app", PASSWORD))
    found = assembled(parts(read("a", "a", secrets=(hit,)), read("b", f"srv/{PASSWORD}"), config=config), RULES, max_files=10)
    assert PASSWORD not in repr(found)
    low = assembled(parts(read("a", "a", secrets=(replace(hit, confidence="low"),)), config=config), RULES, max_files=10)
    assert low.config.cmd == ("app", PASSWORD)


def test_facts_are_not_kept_when_they_carry_a_value() -> None:
    """Wherever in them it stands."""
    layer = read("a", f"srv/{PASSWORD}").facts
    assert carries(layer, [PASSWORD])
    assert carries(replace(layer, files=FileTable(), texts={"etc/passwd": PASSWORD.encode()}), [PASSWORD])
    assert not carries(layer, [KEY])
    assert not carries(layer, [])


def test_what_we_say_ourselves_is_never_hidden() -> None:
    """A password may be chosen to look like a digest; what is not UTF-8 stays as it is."""
    digest = digest_of(b"a")
    layer = LayerFacts(digest=digest, compressed_bytes=1, plain_bytes=1, files=FileTable(), texts={"etc/passwd": b"\xff\xfe"})
    assert hidden_layer(layer, Hiding(texts={digest[:20]: "***"})) == layer


@pytest.mark.parametrize(
    "lie",
    [
        Hidden(texts=dict.fromkeys(map(str, range(MAX_HIDDEN + 1)), "***"), uncertain=(), names={}),
        Hidden(texts={"": "***"}, uncertain=(), names={}),
        Hidden(texts={}, uncertain=(), names={"x": SecretHit(rule="r", title="", path="", line=None, fingerprint="f", preview="")}),
        Hidden(
            texts={"x": "y"},
            uncertain=(),
            names={"x": SecretHit(rule="r", title="", path="", line=None, fingerprint="f", preview="longer")},
        ),
    ],
)
def test_a_worker_that_lies_about_values_is_refused(lie: Hidden) -> None:
    """It can neither exhaust the daemon nor put more of a value into the facts than a truthful one."""
    with pytest.raises(WorkerFailedError):
        Collector(Limits(plain_bytes=1, files=1, memory_bytes=1, cpu_seconds=1)).add(lie)
