"""What is known of one vulnerability, and which versions of packages it is in."""

from pathlib import Path
from typing import Any

from tests.doubles.advisory_data import NOW, advisory_data, at, osv, until
from tests.doubles.inventories import a_package, an_inventory
from tests.doubles.verdicts import SUBJECT
from watcher.advisories.enquiries import AdvisoryEnquiries
from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.advisories.protocol import Exposure, KnownVulnerability
from watcher.advisories.record import Exploited, Likelihood
from watcher.advisories.replacing import next_file
from watcher.model.inventory import PackageRecord

GHSA = osv(
    "GHSA-8q59-q68h-6hv4",
    at("PyPI", "PyYAML", *until("5.4")),
    aliases=["CVE-2020-14343", "PYSEC-2021-142"],
    summary="PyYAML runs code",
    published="2021-03-25T21:26:26Z",
    database_specific={"severity": "CRITICAL"},
    references=[{"type": "ADVISORY", "url": "https://example.com/a"}],
)
PYSEC = osv("PYSEC-2021-142", at("PyPI", "pyyaml", *until("5.4")), aliases=["CVE-2020-14343"])
DEBIAN = osv("DEBIAN-CVE-2020-14343", at("Debian:12", "pyyaml", *until("5.3.1-5")), upstream=["CVE-2020-14343"])
ERRATUM = osv("ALSA-2021:1", at("AlmaLinux:9", "python3-pyyaml", *until("5.4-1.el9")), related=["CVE-2020-14343", "CVE-2020-1747"])
YAML = PackageRecord(type="pypi", name="PyYAML", version="5.3", source="pyyaml")


def enquiries(path: Path) -> AdvisoryEnquiries:
    return AdvisoryEnquiries(AdvisoryGatherer(path=path, max_age_seconds=86400, clock=lambda: NOW))


async def known(path: Path, name: str) -> KnownVulnerability:
    found = await enquiries(path).known(name)
    assert found is not None
    return found


def deb(name: str, version: str, *, source: str) -> PackageRecord:
    return PackageRecord(type="deb", name=name, version=version, source=source, source_version=version)


async def test_a_vulnerability_is_known_by_each_of_its_names(tmp_path: Path) -> None:
    """What advisories of several sources say is told together, whichever name it is asked by."""
    path = advisory_data(tmp_path, GHSA, PYSEC, DEBIAN)
    names = ("CVE-2020-14343", "GHSA-8q59-q68h-6hv4", "PYSEC-2021-142", "DEBIAN-CVE-2020-14343")
    first, *others = [await known(path, name) for name in names]
    assert others == [first] * 3
    document = first.document
    assert (document["id"], document["severity"], document["severity_source"]) == ("CVE-2020-14343", "CRITICAL", "GHSA")
    assert document["aliases"] == ["GHSA-8q59-q68h-6hv4", "DEBIAN-CVE-2020-14343", "PYSEC-2021-142"]
    assert document["title"] == "PyYAML runs code"
    assert document["advisories"][0] == {
        "id": "GHSA-8q59-q68h-6hv4",
        "published": "2021-03-25T21:26:26Z",
        "severity": "CRITICAL",
        "links": ["https://example.com/a"],
    }
    assert document["packages"] == [{"ecosystem": "Debian:12", "name": "pyyaml"}, {"ecosystem": "PyPI", "name": "pyyaml"}]
    assert set(first.packages) == {("deb", "pyyaml", "debian:12"), ("pypi", "pyyaml", "")}


async def test_what_nobody_knows_is_unknown(tmp_path: Path) -> None:
    """As everything is where there are no data."""
    assert await enquiries(advisory_data(tmp_path, GHSA)).known("CVE-1999-1") is None
    assert await enquiries(tmp_path / "none.db").known("CVE-2020-14343") is None


async def test_an_erratum_is_about_what_it_covers(tmp_path: Path) -> None:
    """It is among what is said of each of these, and a matter of its own by its own name."""
    path = advisory_data(tmp_path, GHSA, ERRATUM)
    cve = await known(path, "CVE-2020-14343")
    assert "ALSA-2021:1" not in cve.names
    assert [each["id"] for each in cve.document["advisories"]] == ["GHSA-8q59-q68h-6hv4", "ALSA-2021:1"]
    assert ("rpm", "python3-pyyaml", "almalinux:9") in cve.packages
    erratum = await known(path, "ALSA-2021:1")
    assert (erratum.document["id"], erratum.document["covers"]) == ("ALSA-2021:1", ["CVE-2020-14343", "CVE-2020-1747"])
    rpm = PackageRecord(type="rpm", name="python3-pyyaml", version="5.3-1.el9")
    for vulnerability in (cve, erratum):
        (exposure,) = await enquiries(path).exposures(vulnerability, [(rpm, "almalinux:9.4")])
        assert exposure is not None
        assert (exposure.state, exposure.fixed) == ("fixed", ("5.4-1.el9",))


async def test_what_others_know_of_it_is_told_too(tmp_path: Path) -> None:
    """Whether it is exploited, and how probable that is."""
    path = advisory_data(tmp_path, GHSA)
    with next_file(path, now=NOW) as writer:
        writer.exploited([Exploited(id="CVE-2020-14343")])
        writer.likelihoods([Likelihood(id="CVE-2020-14343", probability=0.25)])
    document = (await known(path, "GHSA-8q59-q68h-6hv4")).document
    assert (document["kev"], document["epss"]) == (True, 0.25)


async def test_a_version_is_affected_or_not_by_its_distribution(tmp_path: Path) -> None:
    """The same version can be mended in one release and not in the next; packages of languages are the same everywhere."""
    debian = osv(
        "DEBIAN-CVE-2020-14343",
        at("Debian:12", "pyyaml", *until("5.3.1-5")),
        at("Debian:11", "pyyaml", {"introduced": "0"}),
        upstream=["CVE-2020-14343"],
    )
    path = advisory_data(tmp_path, GHSA, debian)
    package = deb("python3-yaml", "5.3.1-5", source="pyyaml")
    distros = ("debian:12", "debian:11", "debian:13", "")
    installed = [(YAML, "debian:12"), (YAML, ""), *((package, distro) for distro in distros)]
    found = await enquiries(path).exposures(await known(path, "CVE-2020-14343"), installed)
    critical = Exposure(severity="CRITICAL", state="fixed", fixed=("5.4",))
    assert found == [critical, critical, None, Exposure(severity="CRITICAL", state="not-fixed"), None, None]


async def test_another_vulnerability_of_a_package_is_not_this_one(tmp_path: Path) -> None:
    """A package has many."""
    path = advisory_data(tmp_path, GHSA, osv("GHSA-1", at("PyPI", "pyyaml", *until("4.0"))))
    assert await enquiries(path).exposures(await known(path, "GHSA-1"), [(YAML, "")]) == [None]


async def test_a_version_that_cannot_be_compared_is_undecided(tmp_path: Path) -> None:
    """Which is never "not affected"."""
    path = advisory_data(tmp_path, GHSA)
    odd = PackageRecord(type="pypi", name="PyYAML", version="2004d", source="pyyaml")
    found = await enquiries(path).exposures(await known(path, "CVE-2020-14343"), [(odd, "")])
    assert found == [Exposure(severity="UNKNOWN", state="undecided")]


async def test_names_that_lead_on_and_on_come_to_an_end(tmp_path: Path) -> None:
    """Advisories that name one another in a long chain are no reason to read them all."""
    chain: list[dict[str, Any]] = [
        osv(f"X-{number}", at("npm", "a", *until("2.0.0")), aliases=[f"X-{number + 1}"]) for number in range(300)
    ]
    crowd = osv("Y-1", at("npm", "a", *until("2.0.0")), aliases=[f"Z-{number}" for number in range(300)])
    path = advisory_data(tmp_path, *chain, crowd)
    assert len((await known(path, "X-150")).names) < 20
    assert (await known(path, "Y-1")).names == {"Y-1"}


async def test_those_of_an_image_are_what_rules_read(tmp_path: Path) -> None:
    """The same as whoever judges it is told."""
    path = advisory_data(tmp_path, DEBIAN)
    inventory = an_inventory(packages=(a_package("python3-yaml", "5.3.1-1", source="pyyaml"),))
    gatherer = AdvisoryGatherer(path=path, max_age_seconds=86400, clock=lambda: NOW)
    assert await enquiries(path).of_image(SUBJECT, inventory) == await gatherer.gather(SUBJECT, inventory)
