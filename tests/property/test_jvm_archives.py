"""Archives of the JVM in every way of writing them, then spoilt: no other errors than ours, never silently less than there is."""

import io
import zipfile
import zlib

from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.archives import jar, manifest, pom_properties
from tests.doubles.cataloging import databases_among, facts_of
from watcher.inspection.catalogers.jvm import JvmCataloger
from watcher.inspection.catalogers.protocol import Facts
from watcher.model.errors import PermanentError

cataloger = JvmCataloger()

POMS = {f"META-INF/maven/g/{name}/pom.properties": pom_properties("g", name, "1") for name in "abc"}
OTHERS = {
    "META-INF/MANIFEST.MF": manifest(Implementation_Version="7"),
    "META-INF/": b"",
    "A.class": bytes(range(99)),
    "B.class": b"PK\x07\x08PK\x03\x04PK\x01\x02PK\x05\x06" * 3,
    "C.class": b"",
}


def ways() -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {
            "stored": st.booleans(),
            "sizes_behind": st.booleans(),
            "zip64": st.booleans(),
            "prefix": st.sampled_from([b"", b"#!/bin/sh\nPK\n"]),
            "comment": st.sampled_from([b"", b"built by hand"]),
        }
    )


@st.composite
def archives(draw: st.DrawFn, depth: int = 1) -> bytes:
    entries = {name: (POMS | OTHERS)[name] for name in draw(st.lists(st.sampled_from([*POMS, *OTHERS]), unique=True))}
    if depth:
        entries |= {f"lib/{number}.jar": draw(archives(depth - 1)) for number in range(draw(st.integers(0, 2)))}
    return jar(entries, **draw(ways()))  # type: ignore[arg-type]


def packages(facts: Facts) -> set[tuple[str, str, str]]:
    return {(each.name, each.version, each.place) for database in databases_among(facts) for each in database.packages}


def outcome(content: bytes, piece: int = 0) -> tuple[Facts, str]:
    try:
        return facts_of(cataloger, "a.war", content, piece=piece), ""
    except PermanentError as error:
        return getattr(error, "facts", ()), str(error)


def listed(content: bytes) -> set[str] | None:
    """The artifacts of the outermost archive, for whoever goes by its directory; None if it is not sound."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.testzip() is not None:
                return None
            return {each.split("/")[3] for each in archive.namelist() if each.endswith("pom.properties") and each.count("/") == 4}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, UnicodeError):
        return None


@given(archives(), st.integers(1, 200))
def test_however_it_is_written_and_cut(content: bytes, piece: int) -> None:
    """All is found, in pieces of any size, and nothing is doubted."""
    facts, said = outcome(content)
    assert not said
    assert outcome(content, piece) == (facts, said)
    assert {name.partition(":")[2] for name, _, place in packages(facts) if not place and name.startswith("g:")} == listed(content)


@given(archives(), st.data())
def test_however_it_is_spoilt(content: bytes, data: st.DataObject) -> None:
    """Bytes changed, left out, put in or doubled: if nothing is doubted, all is found that its directory lists."""
    first = data.draw(st.integers(0, len(content)))
    end = min(len(content), first + data.draw(st.integers(0, 8)))
    new = data.draw(st.one_of(st.binary(max_size=8), st.just(content), st.just(content[first : first + 80])))
    spoilt = content[:first] + new + content[end:]
    facts, said = outcome(spoilt)
    assert outcome(spoilt, data.draw(st.integers(7, 300))) == (facts, said)
    expected = listed(spoilt)
    if expected is not None and not said:
        assert {name.partition(":")[2] for name, _, place in packages(facts) if not place and name.startswith("g:")} >= expected


@given(archives(depth=0), st.integers(0, 4000))
def test_wherever_it_ends(content: bytes, end: int) -> None:
    """An archive that is cut is never taken for a whole one."""
    facts, said = outcome(content[: min(end, len(content) - 1)])
    assert said or not facts or content[:end].count(b"PK\x05\x06")
