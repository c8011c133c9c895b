"""The inspection document, `inspect.v1`: every name a rule can read, its type, and the section it belongs to.

Fields are only ever added, at the end of their message, since their place is their protobuf number. docs/reference/policy.md lists
them, and a test holds that page to this table.
"""

from collections.abc import Mapping

from watcher.evaluation.document.field_types import Field

# Things rules can name that nothing of ours finds out, or not until it is given the data. They are missing then, never empty: a
# rule that reads one is undecided.
NOT_PRODUCED: Mapping[str, str] = {
    "exploitation": "no list of exploited vulnerabilities is imported",
    "likelihood": "no probabilities of exploitation are imported",
    "dockerfile": "the Dockerfile is not part of an image, and none was given",
    "lifecycle": "it is not known until when this release of the distribution is supported",
    "malware": "no malware scan is configured",
    "evaluations": "no external evaluations are configured",
    "upstream": "no package registry is asked for newer versions",
    "verification": "installed files are not compared with their package's list",
    "passwd-lines": "whole lines of /etc/passwd are not kept",
}

# Rests on `users`, unless USER is missing or a number, which needs no /etc/passwd.
EFFECTIVE_USER = "effective-user"
# Missing where /etc/passwd is known and no runtime starts USER with it. `has()` may ask for that; there is no value, and whoever
# reads one without asking must not take it for "not root".
EFFECTIVE_UID = "effective-uid"


SEVERITIES = ("UNKNOWN", "NEGLIGIBLE", "LOW", "MEDIUM", "HIGH", "CRITICAL")


def _text(name: str, about: str, *, optional: bool = False, kept_per_item: bool = False) -> Field:
    return Field(name=name, type="string", about=about, optional=optional, kept_per_item=kept_per_item)


def _texts(name: str, about: str) -> Field:
    return Field(name=name, type="string", about=about, repeated=True)


def _int(name: str, about: str) -> Field:
    return Field(name=name, type="int64", about=about)


def _time(name: str, about: str, *, sections: tuple[str, ...] = ()) -> Field:
    return Field(name=name, type="timestamp", about=about, optional=True, sections=sections)


def _bool(name: str, about: str, *, optional: bool = False, sections: tuple[str, ...] = ()) -> Field:
    return Field(name=name, type="bool", about=about, optional=optional, sections=sections)


def _list(name: str, message: str, about: str, *, sections: tuple[str, ...] = ()) -> Field:
    return Field(name=name, type=message, about=about, repeated=True, sections=sections)


def _map(name: str, about: str) -> Field:
    return Field(name=name, type="map", about=about)


def _of(name: str, message: str, about: str) -> Field:
    return Field(name=name, type=message, about=about)


_LAYER = (
    Field(name="layer", type="int64", about="the layer that brought it, 0 = base", optional=True),
    _text("layer_digest", "that layer's digest"),
)
_FROM_BASE = _bool("from_base", "whether one of the base image's layers brought it", sections=("base",))

MESSAGES: Mapping[str, tuple[Field, ...]] = {
    "Event": (
        _text("registry", "host as configured; `docker.io` for Docker Hub under any of its names"),
        _text("repository", "`team/app`"),
        _text("tag", "the tag that was pushed or asked for, empty when by digest"),
        _texts("tags", "every tag this digest is known by"),
        _text("digest", "what was pushed: the image, or the index it is part of"),
        _text("environment", "from `environments` in the configuration, empty when none matches"),
        _text("action", "`push`, `scan`, `admission`"),
    ),
    "Image": (
        _text("digest", "the image's manifest"),
        _text("media_type", "the manifest's media type"),
        _text("platform", "`linux/amd64`"),
        _text("os", "`linux`"),
        _text("architecture", "`amd64`"),
        _text("variant", "`v8`"),
        _time("created", "as the builder wrote it; unset when it wrote none"),
        _int("size", "compressed bytes of all layers"),
        _int("layer_count", "number of layers"),
        _of("config", "Config", "how it runs"),
        _map("labels", "labels of the configuration"),
        _map("annotations", "annotations of the manifest"),
        _map("env", "environment variables; `***` where a secret was found in one"),
        _list("history", "Step", "build steps, oldest first"),
        _text("dockerfile_mode", "`history` (steps are read from the image's history) or `none` (it has none)"),
        _list("layers", "Layer", "layers, base first"),
    ),
    "Config": (
        _text("user", "USER as written, empty when there is none"),
        Field(
            name="effective_user",
            type="string",
            about="the name behind it, through the image's own /etc/passwd; `root` for uid 0, whatever else it is called",
            sections=(EFFECTIVE_USER,),
            value_sections=(EFFECTIVE_UID,),
        ),
        Field(
            name="effective_uid",
            type="int64",
            about="the uid behind it; unset when no runtime starts it, as with a user that the image does not know",
            optional=True,
            sections=(EFFECTIVE_USER,),
            value_sections=(EFFECTIVE_UID,),
        ),
        Field(
            name="runs_as_root",
            type="bool",
            about="whether the uid is 0",
            sections=(EFFECTIVE_USER,),
            value_sections=(EFFECTIVE_UID,),
        ),
        _texts("entrypoint", "ENTRYPOINT"),
        _texts("cmd", "CMD"),
        _text("working_dir", "WORKDIR"),
        _list("exposed_ports", "Port", "EXPOSE"),
        _texts("volumes", "VOLUME"),
        _text("healthcheck", "HEALTHCHECK in one line; empty when there is none or it is disabled"),
        _text("stop_signal", "STOPSIGNAL"),
        _texts("shell", "SHELL"),
    ),
    "Port": (_int("number", "0 when it is not a number"), _text("protocol", "`tcp`, `udp`, `sctp`")),
    "Step": (
        _text("op", "the instruction: RUN COPY ADD ENV …; RUN when the builder wrote only a command"),
        _text("args", "the rest; `***` where a secret was found in it"),
        _bool("empty_layer", "whether it has no layer of its own"),
    ),
    "Layer": (
        _text("digest", "as stored"),
        _int("size", "compressed bytes"),
        _text("created_by", "the build step; `***` where a secret was found in it"),
        _text("state", "`inspected`, `skipped` or `failed`"),
    ),
    "Base": (
        _bool("known", "whether the base image was identified; the only part of `base` that is always known"),
        _text("how", "`annotation` (its layers were compared), `layers` (seen before), or `itself` (it is a trusted base)"),
        _of("image", "From", "the base image"),
        _list("froms", "From", "the base image as a list, which is empty where it is not known"),
        _list("ancestors", "From", "the base image and what it was built on, nearest first, as far as known"),
        _int("layer_count", "how many layers come from it"),
    ),
    "From": (
        _text("ref", "`HOST/REPOSITORY:TAG`, without a digest; `HOST/REPOSITORY` when the tag is not known"),
        _text("digest", "its digest where known"),
        _text("registry", "its host"),
        _text("repository", "`HOST/REPOSITORY`"),
    ),
    "Dockerfile": (
        _list("instructions", "Instruction", "those of all stages, in order"),
        _list("images", "NamedImage", "every image that it names: in FROM, `--from=` of COPY, ADD and RUN, and `# syntax=`"),
    ),
    "Instruction": (
        _text("op", "FROM RUN COPY ADD ENV …"),
        _text("args", "the rest, continued lines joined; `***` where a secret was found in it"),
        _int("line", "from 1"),
        _int("stage", "from 0; -1 before the first FROM"),
    ),
    "NamedImage": (
        _of("image", "From", "the image, its build arguments filled in"),
        _bool("pinned", "whether a digest is named"),
        _text("instruction", "`FROM`, `COPY`, `ADD`, `RUN` or `syntax`"),
        _int("line", "from 1"),
    ),
    "Distro": (
        _text("id", "ID of os-release"),
        _text("version", "VERSION_ID"),
        _text("name", "PRETTY_NAME"),
        _texts("like", "ID_LIKE"),
        _bool("known", "whether there is an os-release"),
        _bool("eol", "whether its distributor has ended support for everybody", sections=("lifecycle",)),
    ),
    "Data": (
        _time("vulnerability_db_time", "how old the vulnerability data are", sections=("vulnerabilities",)),
        _bool("vulnerability_covered", "whether they cover this distribution", sections=("vulnerabilities",)),
        Field(name="malware_scan", type="string", about="`done` when there was one", sections=("malware",)),
        _bool("registry_metadata", "whether package registries were asked", sections=("upstream",)),
    ),
    "Provenance": (_list("attestations", "Attestation", "attestations of the image"),),
    "Attestation": (
        _bool("verified", "whether its signature holds"),
        _text("predicate_type", "`https://slsa.dev/provenance/v1`"),
        _text("signer", "who signed"),
    ),
    "Drift": (
        _bool("known", "whether there is an earlier image to compare with"),
        _list("added", "Package", "packages it did not have"),
        _list("removed", "Package", "packages only it had"),
        _list("changed", "Package", "packages with another version"),
    ),
    "Package": (
        _text("type", "purl type, as deb, rpm, npm or golang"),
        _text("name", "as its database says"),
        _text("version", "as its database says"),
        _text("architecture", "as its database says"),
        _text("source_name", "the name advisories are matched on"),
        _text("source_version", "the version of the source package"),
        _texts("licenses", "SPDX licence expressions; `LicenseRef-NAME` for one that SPDX does not know"),
        _text("maintainer", "as written"),
        _text("purl", "package URL"),
        _text("path", "the database file that lists it, or its file; in an archive `/app.jar!/lib/x.jar`"),
        *_LAYER,
        _FROM_BASE,
        _text("owner", "the distribution's package that brought that file, `deb/python3-yaml`; empty where none did"),
        Field(name="upstream_latest", type="string", about="newest version in its registry", sections=("upstream",)),
        _bool("upstream_known", "whether its registry has it", optional=True, sections=("upstream",)),
        _bool("upstream_version_known", "whether its registry has this version", optional=True, sections=("upstream",)),
        _list("verify", "Change", "installed files that differ from the package's list", sections=("verification",)),
    ),
    "Change": (_text("path", "absolute"), _text("change", "`changed` or `missing`")),
    "Vulnerability": (
        _text("id", "preferred id"),
        _texts("aliases", "all other ids"),
        _of("severity", "Severity", "UNKNOWN is a value like any other"),
        _of("package", "Package", "what is vulnerable"),
        _of("fix", "Fix", "how it is fixed"),
        _list("cvss", "Cvss", "scores, one a source"),
        _bool("kev", "known to be exploited", sections=("exploitation",)),
        Field(name="epss", type="double", about="probability of exploitation in 30 days", optional=True, sections=("likelihood",)),
        _text("vex_status", "`not_affected`, `affected`, `fixed`, `under_investigation`"),
        _text("vex_justification", "OpenVEX vocabulary"),
        _bool("vendor_will_not_fix", "the distribution says so"),
        _time("first_seen", "when it was first seen in this package"),
        _text("title", "what it is, in one line"),
        _text("severity_source", "who says so: the distribution, `GHSA`, a CVSS vector's source; empty when nobody does"),
        _text("link", "where to read about it"),
        _text("owner", "the distribution's package that brought the package, `deb/python3-yaml`; empty where none did"),
        _bool("malware", "the package itself is malicious (`MAL-` ids)"),
    ),
    "Fix": (
        _bool("available", "whether a fixed version can be installed"),
        _texts("versions", "fixed versions"),
        _time("available_since", "since when"),
        _text("state", "`fixed`, `not-fixed`, `will-not-fix`, or `subscription` where the fix is for paying users only"),
    ),
    "Cvss": (
        _text("source", "`nvd`, `vendor`, `ghsa`"),
        _text("version", "`3.1`"),
        Field(name="base", type="double", about="base score"),
        Field(name="exploitability", type="double", about="exploitability subscore"),
        Field(name="impact", type="double", about="impact subscore"),
    ),
    "File": (
        _text("path", "absolute"),
        _text("type", "`file` (hard links too), `directory`, `symlink`, `device`, `fifo`"),
        _int("mode", "permission bits with setuid, setgid and sticky"),
        _int("uid", "owner"),
        _int("gid", "group"),
        _int("size", "bytes"),
        _bool("suid", "a file that runs as its owner"),
        _bool("sgid", "a file that runs as its group; not set for directories, where the bit means inheritance"),
        _bool("world_writable", "anybody may write; not set for symlinks and sticky directories"),
        _text("link", "target of a link"),
        *_LAYER,
        _FROM_BASE,
        _text("sha256", "digest of its content, 64 hexadecimal digits; unset when not kept", optional=True, kept_per_item=True),
        _text("content", "its text; unset when not kept", optional=True, kept_per_item=True),
        _texts("capabilities", "what whoever runs it may do, as `cap_net_raw`: those it permits"),
    ),
    "Executable": (_text("path", "absolute"), _int("size", "bytes"), *_LAYER, _FROM_BASE),
    "Certificate": (
        _text("path", "the file; of a trust store that, or the directory of its files; absolute"),
        _int("position", "in that file, from 1; 0 of a trust store"),
        _int("roots", "how many certificates of a trust store this one stands for; 0 for one alone"),
        _text("subject", "whose it is, as RFC 4514 has it, `CN=example.com,O=Example`; empty of a trust store"),
        _text("issuer", "who issued it"),
        _time("not_before", "since when it is valid; of a trust store since when the first of them is"),
        _time("not_after", "until when; of a trust store until when all of them are. Unset where it says none that can be read"),
        _bool("self_signed", "whether subject and issuer are the same"),
        _bool("ca", "whether it may issue others"),
        _text("key_algorithm", "`RSA`, `EC`, `Ed25519`; an object identifier where it has no name here"),
        _int("key_bits", "of the modulus, or of the curve; 0 where that is not known"),
        _text("signature_algorithm", "`RSA-SHA256`, `ECDSA-SHA384`; an object identifier where it has no name here"),
        _text("sha256", "its fingerprint"),
        *_LAYER,
        _FROM_BASE,
    ),
    "Key": (
        _text("path", "the file, absolute"),
        _int("position", "among the keys of that file, from 1"),
        _text("kind", "`private`, `public`, `authorized` (it lets its owner in by SSH) or `keystore` (of Java, or PKCS #12)"),
        _text("algorithm", "`RSA`, `EC`, `Ed25519`; empty where it does not tell, as where it is encrypted"),
        _int("bits", "of the modulus, or of the curve; 0 where it does not tell"),
        _bool("encrypted", "whether a private key needs a passphrase"),
        *_LAYER,
        _FROM_BASE,
    ),
    "Leftover": (
        _text("kind", "`package-cache` or `shell-history`"),
        _text("tool", "whose: `apt`, `npm`, `bash`"),
        _text("path", "the directory of a cache, the file of a history; absolute"),
        _int("files", "how many files the layer brought there, empty ones apart"),
        _int("size", "bytes of those"),
        *_LAYER,
        _FROM_BASE,
    ),
    "SecretFound": (
        _text("rule", "id of the detecting rule: `aws-access-key-id`"),
        _text("title", "its title"),
        _text("path", "the file, absolute; or the variable, label or build step"),
        _int("line", "from 1; 0 when it has none"),
        *_LAYER,
        _text("where", "`file`, `layer` (bytes that are of no file), `env`, `label`, `history`, `config` or `manifest`"),
        _text("confidence", "`high`, `medium` or `low`"),
        _bool("present_in_final", "false when a later layer deleted the file: it can still be pulled"),
    ),
    "Account": (
        _text("name", "user name"),
        _int("uid", "user id"),
        _int("gid", "group id"),
        _text("home", "home directory"),
        _text("shell", "login shell"),
        Field(name="entry", type="string", about="the whole line", sections=("passwd-lines",)),
    ),
    "Malware": (_text("scanner", "who found it"), _text("signature", "what it is"), _text("path", "where it is")),
    "AttachedSboms": (
        _bool("attached", "whether there is one; what a watcher itself attaches does not count"),
        _list("documents", "SbomDocument", "each that is attached"),
    ),
    "SbomDocument": (
        _text("source", "`referrer`, `index` (attached to the index that lists the image) or `attestation` (in that index)"),
        _text("digest", "the artefact's manifest"),
        _text("format", "`CycloneDX 1.6`, `SPDX 2.3`"),
        _text("tool", "what made it, as it says"),
        _int("packages", "how many it lists"),
    ),
    "Evaluation": (
        _text("kind", "`stig`"),
        _bool("passed", "its result"),
        _time("time", "when it was made"),
    ),
}
