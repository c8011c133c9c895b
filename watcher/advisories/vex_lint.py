"""VEX statements that do nothing, and what they may have meant. Pure.

A statement has an effect where it names a vulnerability that is known, and a package that is held and affected by it. Whoever
writes `pkg:deb/ubuntu/openssl` for Debian's learns from no verdict that it was in vain.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from watcher.advisories.ecosystems import lookup_of
from watcher.advisories.formats.vex_words import NOT_AFFECTED
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.record import Statement
from watcher.advisories.vex import Purl, is_about, names_image, parse_purl
from watcher.advisories.vulnerabilities import answers_for
from watcher.model.inventory import Distro, PackageRecord
from watcher.model.verdict import Subject

UNKNOWN_VULNERABILITY = "unknown-vulnerability"
MATCHES_NOTHING = "matches-nothing"
NOT_AFFECTED_ANYWAY = "not-affected-anyway"
UNJUSTIFIED = "unjustified"
# Near misses that are shown of one statement.
MAX_NEAR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A package that is held, in images of `distro`; of one image where that was asked for by a product."""

    record: PackageRecord
    distro: Distro
    subject: Subject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What is wrong with a statement: one of the kinds above, a sentence, and what is nearly what was written."""

    kind: str
    text: str
    near: tuple[str, ...] = ()


def names_wanted(said: Statement) -> set[str]:
    """Names of packages that a statement may be about, with their namespaces and without."""
    purls = [purl for text in (*said.products, *said.parts) if (purl := parse_purl(text)) is not None and not _is_image(purl)]
    return {name for purl in purls for name in (purl.name, purl.name.rpartition("/")[2])}


def images_wanted(said: Statement) -> set[str]:
    """Last parts of the repositories of images that a statement may be about."""
    found = set()
    for text in said.products:
        purl = parse_purl(text)
        if purl is not None and _is_image(purl):
            found.add(purl.name.rpartition("/")[2])
        elif purl is None:
            found.add(text.partition("@")[0].rpartition("/")[2].partition(":")[0])
    return found


def remarks_on(said: Statement, held: Collection[Held], subjects: Sequence[Subject], data: AdvisoryFile) -> Iterator[Remark]:
    """`held` are packages of the names that are wanted, `subjects` images of these names; nothing where it has an effect."""
    if said.status == NOT_AFFECTED and not said.justification:
        yield Remark(kind=UNJUSTIFIED, text="not_affected without a justification: rules that ask for one do not count it")
    about = [each for each in held if is_about(said, each.record, each.subject)]
    numbers = {number for found in data.named(said.ids).values() for number in found}
    if not numbers:
        near = _near_ids(said, about or [each for each in held if any(_near(said, each))], data)
        yield Remark(kind=UNKNOWN_VULNERABILITY, text=f"no advisory is called {' or '.join(said.ids)}", near=near)
    if not about:
        yield Remark(kind=MATCHES_NOTHING, text="no package and no image that is held", near=_near_products(said, held, subjects))
    elif numbers and not _affected(said, about, data):
        places = dict.fromkeys(f"{package} ({ecosystem})" for ecosystem, package in data.packages_of(numbers))
        held_as = dict.fromkeys(each.record.purl for each in about)
        yield Remark(
            kind=NOT_AFFECTED_ANYWAY,
            text=f"{_listed(held_as)}: not affected by {said.ids[0]}, whatever is said",
            near=tuple(f"it is about {place}" for place in [*places][:MAX_NEAR]),
        )


def _affected(said: Statement, about: Sequence[Held], data: AdvisoryFile) -> bool:
    """Whether a package that it is about is affected, or might be, by a vulnerability that it names."""
    lookups = {lookup: None for each in about if (lookup := lookup_of(each.record, each.distro)) is not None}
    ids = set(said.ids)
    return any(
        answer.undecided or any(not ids.isdisjoint((known.id, *known.aliases)) for known in answer.known)
        for answer in answers_for(data, lookups).values()
    )


def _near_ids(said: Statement, held: Sequence[Held], data: AdvisoryFile) -> tuple[str, ...]:
    """Ids of advisories about the packages, those that look like what was written first."""
    names: dict[str, None] = {}
    for each in held:
        lookup = lookup_of(each.record, each.distro)
        if lookup is None:
            continue
        entries = data.about(lookup.ecosystem, [lookup.package]).get(lookup.package, ())
        for kept in data.advisories([number for number, _ in entries]).values():
            names.update(dict.fromkeys((kept.id, *kept.aliases)))
    alike = [name for written in said.ids for name in get_close_matches(written, names, n=MAX_NEAR, cutoff=0.85)]
    return tuple(dict.fromkeys(alike))[:MAX_NEAR]


def _near_products(said: Statement, held: Collection[Held], subjects: Sequence[Subject]) -> tuple[str, ...]:
    """Packages that are held and differ in one thing from what was written, and images of the same name."""
    found: dict[str, None] = {}
    for each in held:
        for difference in _near(said, each):
            found[f"{each.record.purl} is held: {difference}"] = None
    products = [text for text in said.products if not any(names_image(text, subject) for subject in subjects)]
    for subject in subjects if products else ():
        tags = f" ({', '.join(subject.tags)})" if subject.tags else ""
        found[f"{subject.name}{tags} is held: another image than {_listed(dict.fromkeys(products))}"] = None
    return tuple(found)[:MAX_NEAR]


def _near(said: Statement, held: Held) -> Iterator[str]:
    """In what a package differs from a purl of the statement that has its name."""
    installed = parse_purl(held.record.purl)
    if installed is None:
        return
    for text in said.parts or said.products:
        wanted = parse_purl(text)
        if wanted is None or _is_image(wanted):
            continue
        names = {installed.name, installed.name.rpartition("/")[2], held.record.name, held.record.source}
        if wanted.name.rpartition("/")[2] in names or wanted.name in names:
            yield _difference(wanted, installed, held)


def _difference(wanted: Purl, installed: Purl, held: Held) -> str:
    if wanted.type != installed.type:
        return f"of type {installed.type}, not {wanted.type}"
    if wanted.name not in {installed.name, held.record.name}:
        if held.record.source == wanted.name.rpartition("/")[2] and wanted.qualifiers.get("arch") != "source":
            return f"{wanted.name} is its source package, which `?arch=source` names"
        return f"{installed.name}, not {wanted.name}"
    if wanted.version and wanted.version not in {installed.version, held.record.version}:
        return f"version {installed.version}, not {wanted.version}"
    for key in ("arch", "distro"):
        if installed.qualifiers.get(key, "") != wanted.qualifiers.get(key, installed.qualifiers.get(key, "")):
            return f"{key} {installed.qualifiers.get(key, '')}, not {wanted.qualifiers[key]}"
    return "in other images than its products"


def _is_image(purl: Purl) -> bool:
    return purl.type in {"oci", "docker"}


def _listed(texts: dict[str, None]) -> str:
    first = [*texts][:3]
    return ", ".join(first) + (f" and {len(texts) - len(first)} more" if len(texts) > len(first) else "")
