"""What advisories say of an image reaches those who judge it."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.advisory_data import NOW, advisory_data, at, osv, until
from tests.doubles.inventories import a_package, an_inventory
from tests.doubles.verdicts import IMAGE
from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.advisories.importing import import_paths
from watcher.advisories.record import Exploited, Likelihood, Statement
from watcher.advisories.replacing import next_file
from watcher.model.errors import ConfigurationError
from watcher.model.inventory import Distro, Inventory, Package, PackageRecord
from watcher.model.knowledge import Knowledge
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import Section, SectionState, Subject

SUBJECT = Subject(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=IMAGE)
DAY = 86400.0


def package(kind: str, name: str, version: str, *, path: str = "srv/x", purl: str = "", **fields: Any) -> Package:
    record = PackageRecord(type=kind, name=name, version=version, purl=purl or f"pkg:{kind}/{name}@{version}", **fields)
    return Package(record=record, path=path, layer=0)


CURL = a_package("libcurl4", "7.0-1+b1", source="curl", source_version="7.0-1")
FLASK = package("pypi", "Flask", "1.0", source="flask")
NODE = package("npm", "@scope/thing", "1.0.0", source="@scope/thing", purl="pkg:npm/%40scope/thing@1.0.0")


@dataclass
class Remembered:
    """Everything was seen for the first time at the same moment."""

    at: datetime
    asked: list[str] = field(default_factory=list)

    async def first_seen(self, keys: Any, *, now: datetime) -> dict[str, datetime]:
        self.asked = list(keys)
        return dict.fromkeys(keys, self.at)


def gatherer(path: Path, *, now: datetime = NOW, **fields: Any) -> AdvisoryGatherer:
    return AdvisoryGatherer(path=path, max_age_seconds=3 * DAY, clock=lambda: now, **fields)


def image(*packages: Package, **changes: Any) -> Inventory:
    return an_inventory(packages=packages, **changes)


async def known(path: Path, inventory: Inventory, *, now: datetime = NOW, subject: Subject = SUBJECT, **fields: Any) -> Knowledge:
    return await gatherer(path, now=now, **fields).gather(subject, inventory)


async def vulnerabilities(path: Path, inventory: Inventory, **fields: Any) -> list[dict[str, Any]]:
    document = json.loads((await known(path, inventory, **fields)).document)
    return list(document["vulnerabilities"])


def section(knowledge: Knowledge) -> Section:
    return knowledge.sections["vulnerabilities"]


async def test_without_data_it_is_not_configured(tmp_path: Path) -> None:
    """The reason is a command that exists."""
    found = section(await known(tmp_path / "none.db", image(CURL)))
    assert (found.state, found.reason) == (SectionState.NOT_CONFIGURED, "run: watcher advisories update")


async def test_a_distribution_is_matched_by_source_package(tmp_path: Path) -> None:
    """libcurl4 is vulnerable because curl is, in the version of the source, and by the release of the image."""
    path = advisory_data(
        tmp_path,
        osv(
            "DEBIAN-CVE-2026-1",
            at("Debian:12", "curl", *until("7.0-2"), ecosystem_specific={"urgency": "low"}),
            summary="It leaks.",
        ),
        osv("DEBIAN-CVE-2026-2", at("Debian:11", "curl", *until("9"))),
        osv("DEBIAN-CVE-2026-3", at("Debian:12", "libcurl4", *until("9"))),
    )
    (found,) = await vulnerabilities(path, image(CURL))
    assert (found["id"], found["aliases"], found["title"]) == ("CVE-2026-1", ["DEBIAN-CVE-2026-1"], "It leaks.")
    assert (found["severity"], found["severity_source"]) == ("LOW", "Debian")
    assert (found["package"]["name"], found["package"]["version"]) == ("libcurl4", "7.0-1+b1")
    assert (found["fix"]["available"], found["fix"]["versions"], found["fix"]["state"]) == (True, ["7.0-2"], "fixed")


async def test_names_of_one_vulnerability_are_one(tmp_path: Path) -> None:
    """Two sources, one CVE: one entry under the name that people know, rated by whoever rates it."""
    path = advisory_data(
        tmp_path,
        osv("PYSEC-2026-1", at("PyPI", "flask", *until("2.0")), aliases=["CVE-2026-1"]),
        osv("GHSA-a", at("PyPI", "Flask", *until("2.0")), aliases=["CVE-2026-1"], database_specific={"severity": "HIGH"}),
        osv("GHSA-b", at("PyPI", "flask", *until("2.0"))),
    )
    first, second = await vulnerabilities(path, image(FLASK))
    assert (first["id"], first["aliases"]) == ("CVE-2026-1", ["GHSA-a", "PYSEC-2026-1"])
    assert (first["severity"], first["severity_source"], first["fix"]["versions"]) == ("HIGH", "GHSA", ["2.0"])
    assert (second["id"], second["severity"], second["severity_source"]) == ("GHSA-b", "UNKNOWN", "")


async def test_a_rating_is_found_by_alias(tmp_path: Path) -> None:
    """The advisory that rates it can be about another package."""
    path = advisory_data(
        tmp_path,
        osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", {"introduced": "0"})),
        osv("GHSA-a", at("npm", "curl-wrapper", *until("2.0")), aliases=["CVE-2026-1"], database_specific={"severity": "CRITICAL"}),
    )
    (found,) = await vulnerabilities(path, image(CURL))
    assert (found["severity"], found["severity_source"], found["fix"]["state"]) == ("CRITICAL", "GHSA", "not-fixed")


async def test_an_erratum_beside_its_vulnerabilities_is_not_told_twice(tmp_path: Path) -> None:
    """It is, where they are not."""
    erratum = osv("DSA-1", at("Debian:12", "curl", *until("7.0-2")), upstream=["CVE-2026-1", "CVE-2026-2"])
    path = advisory_data(tmp_path, erratum)
    (found,) = await vulnerabilities(path, image(CURL))
    assert (found["id"], found["aliases"]) == ("DSA-1", ["CVE-2026-1", "CVE-2026-2"])
    path = advisory_data(
        tmp_path,
        osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))),
        osv("DEBIAN-CVE-2026-2", at("Debian:12", "curl", *until("7.0-2"))),
    )
    assert [each["id"] for each in await vulnerabilities(path, image(CURL))] == ["CVE-2026-1", "CVE-2026-2"]


async def test_what_is_known_besides_stands_beside_it(tmp_path: Path) -> None:
    """Exploited, how likely, a vector worked out, a link, and since when it is known here."""
    vector = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
    path = advisory_data(
        tmp_path, osv("GHSA-a", at("npm", "@scope/thing", *until("2.0.0")), aliases=["CVE-2026-1"], severity=[vector])
    )
    with next_file(path, now=NOW) as writer:
        writer.exploited([Exploited(id="CVE-2026-1")])
        writer.likelihoods([Likelihood(id="CVE-2026-1", probability=0.25)])
    remembered = Remembered(NOW - timedelta(days=9))
    (found,) = await vulnerabilities(path, image(NODE), first_seen=remembered)
    assert (found["kev"], found["epss"], found["severity"], found["severity_source"]) == (
        True,
        0.25,
        "CRITICAL",
        "CVSS 3.1 of ghsa",
    )
    assert found["cvss"] == [{"source": "ghsa", "version": "3.1", "base": 9.8, "exploitability": 3.9, "impact": 5.9}]
    assert found["first_seen"] == "2026-05-23T00:00:00Z"
    assert remembered.asked == ["CVE-2026-1 npm/@scope/thing"]


async def test_malware_keeps_its_own_name(tmp_path: Path) -> None:
    """It is a finding about the package, not a flaw in it."""
    path = advisory_data(tmp_path, osv("MAL-2026-1", at("npm", "@scope/thing", versions=("1.0.0",)), aliases=["GHSA-m"]))
    (found,) = await vulnerabilities(path, image(NODE))
    assert (found["id"], found["malware"], found["fix"]["available"]) == ("MAL-2026-1", True, False)


async def test_vex_is_told_of_what_it_is_about(tmp_path: Path) -> None:
    """The latest statement about this package of this image; it takes nothing away."""
    path = advisory_data(tmp_path, osv("GHSA-a", at("PyPI", "flask", *until("2.0")), at("npm", "@scope/thing", *until("2.0.0"))))
    product = "pkg:oci/app?repository_url=registry.example.com/team/app"
    with next_file(path, now=NOW) as writer:
        writer.statements(
            "vex:a",
            [
                Statement(ids=("GHSA-a",), products=(product,), parts=("pkg:pypi/flask",), status="affected", said=NOW),
                Statement(
                    ids=("GHSA-a",),
                    products=(product,),
                    parts=("pkg:pypi/flask@1.0",),
                    status="not_affected",
                    justification="vulnerable_code_not_present",
                    said=NOW + timedelta(days=1),
                ),
            ],
        )
    flask = package("pypi", "Flask", "1.0", source="flask", purl="pkg:pypi/flask@1.0")
    told = {each["package"]["name"]: each.get("vex_status") for each in await vulnerabilities(path, image(flask, NODE))}
    assert told == {"Flask": "not_affected", "@scope/thing": None}
    elsewhere = replace(SUBJECT, repository=RepositoryName("team/other"))
    assert {each.get("vex_status") for each in await vulnerabilities(path, image(flask), subject=elsewhere)} == {None}


@pytest.mark.parametrize(
    ("owner", "path", "owned"),
    [
        (a_package("python3-flask", "1.0-2"), "usr/lib/python3/dist-packages/Flask-1.0.dist-info/METADATA", "deb/python3-flask"),
        (a_package("python3-flask", "1:1.0+dfsg-2"), "usr/lib/python3/dist-packages/x", "deb/python3-flask"),
        # Installed over it by pip: not the distribution's.
        (a_package("python3-flask", "0.9-2"), "usr/lib/python3/dist-packages/x", None),
        (a_package("python3-flask", "1.0-2"), "usr/local/lib/python3.11/site-packages/x", None),
        (a_package("python3-other", "1.0-2"), "usr/lib/python3/dist-packages/x", None),
    ],
)
async def test_what_a_distribution_brought_is_shown_with_its_owner(
    tmp_path: Path, owner: Package, path: str, owned: str | None
) -> None:
    data = advisory_data(tmp_path, osv("GHSA-a", at("PyPI", "flask", *until("2.0"))))
    flask = package("pypi", "Flask", "1.0", source="flask", path=path)
    (found,) = await vulnerabilities(data, image(owner, flask))
    assert found.get("owner") == owned


@pytest.mark.parametrize(
    ("packages", "distro", "state", "reason"),
    [
        ((CURL,), Distro(id="debian", version="12"), SectionState.COMPLETE, ""),
        ((), Distro(), SectionState.COMPLETE, ""),
        ((CURL,), Distro(id="debian", version="13"), SectionState.MISSING, "no advisories for Debian:13: 1 package"),
        ((CURL,), Distro(id="mine", version="1"), SectionState.MISSING, "deb packages of mine 1"),
        ((CURL,), Distro(id="debian"), SectionState.MISSING, "deb packages of debian"),
        ((CURL, NODE), Distro(id="debian", version="12"), SectionState.PARTIAL, "no advisories for npm: 1 package"),
        (
            (a_package("curl", "no version"),),
            Distro(id="debian", version="12"),
            SectionState.PARTIAL,
            "1 package has a version that cannot be compared",
        ),
    ],
)
async def test_how_far_the_data_go(
    tmp_path: Path, packages: tuple[Package, ...], distro: Distro, state: SectionState, reason: str
) -> None:
    """What nobody keeps advisories of is never taken for sound."""
    path = advisory_data(tmp_path, osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))))
    found = section(await known(path, image(*packages, distro=distro)))
    assert found.state is state
    assert reason in found.reason
    assert bool(found.skipped) is (state in {SectionState.PARTIAL, SectionState.MISSING})


async def test_old_data_are_stale(tmp_path: Path) -> None:
    """What they say is still there, with its date."""
    path = advisory_data(tmp_path, osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))))
    found = await known(path, image(CURL), now=NOW + timedelta(days=4))
    assert section(found).state is SectionState.STALE
    document = json.loads(found.document)
    assert len(document["vulnerabilities"]) == 1
    assert document["data"] == {"vulnerability_covered": True, "vulnerability_db_time": "2026-06-01T00:00:00Z"}


async def test_packages_that_could_not_be_read_leave_a_gap(tmp_path: Path) -> None:
    path = advisory_data(tmp_path, osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))))
    inventory = image(CURL)
    gap = Section(state=SectionState.PARTIAL, reason="rpm is not read", skipped=("var/lib/rpm",))
    inventory = replace(inventory, sections={**inventory.sections, "packages": gap})
    assert section(await known(path, inventory)).reason == "packages: rpm is not read"


async def test_a_replaced_file_is_read_from_then_on(tmp_path: Path) -> None:
    """And one that is taken away is not remembered."""
    path = advisory_data(tmp_path, osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))))
    asked = gatherer(path)
    first = await asked.gather(SUBJECT, image(CURL))
    advisory_data(tmp_path, osv("DEBIAN-CVE-2026-9", at("Debian:12", "curl", *until("7.0-3"))))
    second = await asked.gather(SUBJECT, image(CURL))
    assert [len(json.loads(each.document)["vulnerabilities"]) for each in (first, second)] == [1, 2]
    assert first.data_revision != second.data_revision
    path.unlink()
    assert section(await asked.gather(SUBJECT, image(CURL))).state is SectionState.NOT_CONFIGURED


async def test_images_asked_for_at_once_are_answered(tmp_path: Path) -> None:
    path = advisory_data(tmp_path, osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))))
    asked = gatherer(path)
    found = await asyncio.gather(*(asked.gather(SUBJECT, image(CURL)) for _ in range(20)))
    assert len({each.document for each in found}) == 1


@pytest.mark.parametrize("kind", ["folder", "below a file", "loop", "long", "cut short"])
async def test_what_cannot_be_read_is_an_error_and_nothing_else(tmp_path: Path, kind: str) -> None:
    """It names the file, also where one that could be read has been there before; only nothing at all is "not configured"."""
    path = advisory_data(tmp_path, osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))))
    data = gatherer(path)
    assert section(await data.gather(SUBJECT, image(CURL))).state is SectionState.COMPLETE
    content = path.read_bytes()
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "below a file":
            (tmp_path / "file").touch()
            data.path = tmp_path / "file" / "data.db"
        case "loop":
            path.symlink_to(path)
        case "long":
            data.path = tmp_path / ("n" * 300)
        case "cut short":
            path.write_bytes(content[: len(content) // 2])
    for question in (data.gather(SUBJECT, image(CURL)), data.oldest(), data.revision()):
        with pytest.raises(ConfigurationError) as told:
            await question
        assert str(data.path) in str(told.value)


async def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    """Whoever gathers says that its section is missing, and why."""
    path = tmp_path / "advisories.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError, match="import them again"):
        await known(path, image(CURL))


@pytest.mark.parametrize(
    ("listed", "later", "state"),
    [(False, timedelta(0), "missing"), (True, timedelta(0), "complete"), (True, timedelta(days=4), "stale")],
)
async def test_lists_that_are_not_there_are_told(tmp_path: Path, listed: bool, later: timedelta, state: str) -> None:
    """Nobody knows then whether a vulnerability is exploited; where there is none, nobody has to."""
    path = advisory_data(tmp_path, osv("DEBIAN-CVE-2026-1", at("Debian:12", "curl", *until("7.0-2"))))
    if listed:
        for name, content in {
            "kev.json": '{"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-1999-0001"}]}',
            "epss.csv": "cve,epss,percentile\nCVE-1999-0001,0.5,0.5\n",
        }.items():
            (tmp_path / name).write_text(content)
            import_paths([tmp_path / name], path, now=NOW, as_of=NOW)
    found = await known(path, image(CURL), now=NOW + later)
    assert {found.sections[name].state for name in ("exploitation", "likelihood")} == {state}
    found = await known(path, image(a_package("curl", "8", source="curl", source_version="8")), now=NOW + later)
    assert {found.sections[name].state for name in ("exploitation", "likelihood")} == {"complete"}


async def test_data_are_as_old_as_the_oldest_list_that_they_take(tmp_path: Path) -> None:
    """Alpine's two repositories are both needed; of two sources that each have everything the younger counts."""
    secdb = {"distroversion": "v3.20", "packages": [{"pkg": {"name": "curl", "secfixes": {"8-r1": ["CVE-2026-1"]}}}]}
    path = tmp_path / "advisories.db"
    for repository, age in (("main", 5), ("community", 1)):
        (tmp_path / f"{repository}.json").write_text(json.dumps({**secdb, "reponame": repository}))
        import_paths([tmp_path / f"{repository}.json"], path, now=NOW, as_of=NOW - timedelta(days=age))
    inventory = image(
        package("apk", "curl", "8-r0", source="curl", source_version="8-r0"), distro=Distro(id="alpine", version="3.20.1")
    )
    assert section(await known(path, inventory)).state is SectionState.STALE
    advisory_data(tmp_path, osv("ALPINE-CVE-2026-1", at("Alpine:v3.20", "curl", *until("8-r1"))))
    assert section(await known(path, inventory)).state is SectionState.COMPLETE
