"""What can be fetched, from where, and under which licence its publishers give it away."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from watcher.advisories.feeds import ALPINE_REPOSITORIES
from watcher.advisories.settings import AdvisorySettings

# Where each source is unless `mirrors` says otherwise.
ORIGINS: Mapping[str, str] = {
    "osv": "https://osv-vulnerabilities.storage.googleapis.com",
    "secdb": "https://secdb.alpinelinux.org",
    "kev": "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    "epss": "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
    "debian-tracker": "https://security-tracker.debian.org/tracker/data/json",
}

# What they are called on disk. `update` reads what it has fetched as `import` would.
_FILES = {"kev": "kev.json", "epss": "epss.csv", "debian-tracker": "tracker.json"}

NOT_STATED = "not stated"
# As the publishers say it, at https://google.github.io/osv.dev/data/ and in their own repositories.
_LICENCES: Mapping[str, str] = {
    "osv:AlmaLinux": "MIT",
    "osv:Alpine": "CC-BY-SA-4.0",
    "osv:Go": "CC-BY-4.0",
    "osv:Maven": "CC-BY-4.0",
    "osv:NuGet": "CC-BY-4.0",
    "osv:Packagist": "CC-BY-4.0",
    "osv:PyPI": "CC-BY-4.0",
    "osv:Red Hat": "CC-BY-4.0",
    "osv:Rocky Linux": "BSD-3-Clause",
    "osv:RubyGems": "CC-BY-4.0",
    "osv:SUSE": "CC-BY-4.0",
    "osv:openSUSE": "CC-BY-4.0",
    "osv:Ubuntu": "CC-BY-SA-4.0",
    "osv:crates.io": "CC0-1.0, CC-BY-4.0",
    "osv:npm": "CC-BY-4.0, Apache-2.0",
    "rustsec": "CC0-1.0, CC-BY-4.0",
    "pypa": "CC-BY-4.0",
    "kev": "CC0-1.0",
    "epss": "free, attribute FIRST",
    "secdb:Alpine": "CC-BY-SA-4.0",
    "secdb:Wolfi": "CC-BY-NC-ND-4.0",
    "secdb:Chainguard": "CC-BY-NC-ND-4.0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSource:
    """One file that is everything of `feed`; `file` is what it is called on disk, `kind` the format it must be of."""

    feed: str
    url: str
    file: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OsvSource:
    """An ecosystem of OSV, below `url`: an archive of all of it, a list of what changed when, and every record."""

    ecosystem: str
    url: str

    @property
    def feed(self) -> str:
        return f"osv:{self.ecosystem}"

    @property
    def archive_url(self) -> str:
        return f"{self.url}/all.zip"

    @property
    def changes_url(self) -> str:
        return f"{self.url}/modified_id.csv"

    def record_url(self, identifier: str) -> str:
        return f"{self.url}/{quote(identifier, safe='')}.json"


Source = ListSource | OsvSource


def sources_of(settings: AdvisorySettings) -> Iterator[Source]:
    """What is configured, each once, in the order in which it is written."""
    places = {name: settings.mirrors.get(name, origin).rstrip("/") for name, origin in ORIGINS.items()}
    for ecosystem in dict.fromkeys(settings.ecosystems):
        yield OsvSource(ecosystem=ecosystem, url=f"{places['osv']}/{quote(ecosystem)}")
    for name in dict.fromkeys(settings.lists):
        kind, _, release = name.partition(":")
        if kind != "secdb":
            yield ListSource(feed=kind, url=places[kind], file=_FILES[kind], kind=kind)
            continue
        for repository in ALPINE_REPOSITORIES:
            url = f"{places[kind]}/{release}/{repository}.json"
            yield ListSource(feed=f"secdb:Alpine:{release}/{repository}", url=url, file=f"{repository}.json", kind=kind)


def licence_of(feed: str) -> str:
    """Of a feed's records, as SPDX writes licences where they have such a name; empty for VEX, which is its author's."""
    if feed.startswith("vex:"):
        return ""
    name, _, rest = feed.partition(":")
    return _LICENCES.get(feed) or _LICENCES.get(f"{name}:{rest.partition(':')[0].partition('/')[0]}") or NOT_STATED
