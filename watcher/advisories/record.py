"""What every format of advisories is read into.

An *ecosystem* is named as OSV names it, without what is no release: `PyPI`, `npm`, `Maven`, `Go`, `crates.io`, `RubyGems`,
`NuGet`, `Packagist`; `Debian:12`, `Ubuntu:22.04`, `Alpine:v3.19`, `AlmaLinux:9`, `Rocky Linux:9`, `Red Hat:9`, `Wolfi`. A
*package* is written as that ecosystem compares names: PyPI's normalised (PEP 503), Maven's `group:artifact`, the source package of
Debian and Alpine.

Spec: OSV schema 1.7, https://ossf.github.io/osv-schema/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

SEVERITIES = ("UNKNOWN", "NEGLIGIBLE", "LOW", "MEDIUM", "HIGH", "CRITICAL")
# What a distribution says of a package that it does not mend.
WILL_NOT_FIX = "will-not-fix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Versions from `introduced`, which is in it, up to at most one of the others.

    `fixed` is not in it and mends it; `last_affected` is in it; `limit` is not in it and mends nothing. "0" is before every
    version.
    """

    introduced: str = "0"
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Versions of one package: those in any of `intervals`, and `versions`, one by one.

    `severity` (of SEVERITIES, or empty) is the distribution's for this package. `status` is empty or WILL_NOT_FIX. `module` is
    `NAME:STREAM` of an RPM module, empty where it is about none. `subscription`: the fix is for paying users of the distribution.
    """

    ecosystem: str
    package: str
    intervals: tuple[Interval, ...] = ()
    versions: tuple[str, ...] = ()
    severity: str = ""
    status: str = ""
    module: str = ""
    subscription: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A CVSS vector as written: `CVSS:3.1/AV:N/…`, or one of version 2 without a prefix."""

    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One record of one source.

    `aliases` are other names of the same vulnerability; `covers` names vulnerabilities that an erratum mends together, each a
    matter of its own. `severity` (of SEVERITIES, or empty) is what whoever wrote it says in words. `links` are for people, the
    best first. One that is `withdrawn` says of nothing any more that it is affected.
    """

    id: str
    aliases: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    summary: str = ""
    published: datetime | None = None
    modified: datetime | None = None
    withdrawn: bool = False
    severity: str = ""
    vectors: tuple[Vector, ...] = ()
    affected: tuple[Affected, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploited:
    """A vulnerability that is known to be exploited (CISA's KEV)."""

    id: str
    added: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """How probable it is that a vulnerability is exploited within 30 days, 0 to 1 (EPSS)."""

    id: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One VEX statement: what somebody says of a vulnerability in a product.

    `products` and `parts` are purls, with or without a version, and where somebody writes them other names; `parts` are what of the
    products it is about, all of it when there are none. `status` is `not_affected`, `affected`, `fixed` or `under_investigation`,
    `justification` a word of OpenVEX. Of two about the same, the later `said` counts.
    """

    ids: tuple[str, ...]
    products: tuple[str, ...]
    parts: tuple[str, ...] = ()
    status: str
    justification: str = ""
    document: str = ""
    author: str = ""
    said: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A record that cannot be read: which, and why."""

    where: str
    reason: str


Record = Advisory | Exploited | Likelihood | Statement | Malformed
Records = Iterator[Record]
