"""What an expression can name: variables, the collections that `each` goes through, and the few names besides."""

from collections.abc import Mapping

from watcher.evaluation.document.field_types import Collection, Variable

VARIABLES: Mapping[str, Variable] = {
    "event": Variable(message="Event", about="what was pushed or asked for, and where"),
    "image": Variable(message="Image", about="manifest and configuration", sections=("config",)),
    "base": Variable(message="Base", about="the image this one was built on", sections=("base",)),
    "distro": Variable(message="Distro", about="from os-release", sections=("distro",)),
    "data": Variable(message="Data", about="what was known when it was judged"),
    "provenance": Variable(message="Provenance", about="signatures and attestations", sections=("provenance",)),
    "dockerfile": Variable(message="Dockerfile", about="a Dockerfile that was given beside the image", sections=("dockerfile",)),
    "drift": Variable(message="Drift", about="differences to an earlier image", sections=("drift",)),
    "sbom": Variable(message="AttachedSboms", about="SBOMs that somebody attached to the image", sections=("sbom",)),
}

_PACKAGE_KEY = '{0}.purl != "" ? {0}.purl : {0}.type + "/" + {0}.name + "@" + {0}.version'

COLLECTIONS: Mapping[str, Collection] = {
    "packages": Collection(message="Package", section="packages", key=_PACKAGE_KEY),
    "declared": Collection(message="Package", section="declared", key=_PACKAGE_KEY),
    "sbom_missing": Collection(
        message="Package",
        section="sbom",
        besides=("packages",),
        key=_PACKAGE_KEY,
    ),
    "sbom_extra": Collection(
        message="Package",
        section="sbom",
        besides=("packages",),
        key=_PACKAGE_KEY,
    ),
    "programs": Collection(message="Executable", section="packages", key="{0}.path"),
    "files": Collection(message="File", section="files", key="{0}.path"),
    "certificates": Collection(
        message="Certificate", section="files", key='{0}.position > 1 ? {0}.path + "#" + string({0}.position) : {0}.path'
    ),
    "keys": Collection(message="Key", section="files", key='{0}.position > 1 ? {0}.path + "#" + string({0}.position) : {0}.path'),
    "leftovers": Collection(message="Leftover", section="files", key="{0}.path"),
    "secrets": Collection(message="SecretFound", section="secrets", key='{0}.rule + "@" + {0}.path'),
    "users": Collection(message="Account", section="users", key="{0}.name"),
    "vulnerabilities": Collection(message="Vulnerability", section="vulnerabilities", key='{0}.id + "@" + {0}.package.purl'),
    "malware": Collection(message="Malware", section="malware", key='{0}.scanner + "+" + {0}.signature + "+" + {0}.path'),
    "evaluations": Collection(message="Evaluation", section="evaluations", key="{0}.kind"),
}

# Names that are not messages: the text lists of the policy, and the one clock a rule can see.
LISTS, NOW, CHUNK = "lists", "now", "chunk"
# What `each` may not call its item.
NAMES = frozenset({*VARIABLES, LISTS, NOW, CHUNK, "Severity"})

# Reading nothing but this of `base` needs no section: it is the answer to whether the rest is known.
ALWAYS_KNOWN: frozenset[tuple[str, ...]] = frozenset({("base", "known")})
