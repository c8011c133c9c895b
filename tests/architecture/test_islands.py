"""What import-linter cannot say without a hand-kept list: an adapter knows its room's Protocol and no neighbour."""

import grimp
import pytest

# Rooms whose modules are adapters, and the modules of each that its adapters may share, with the reason. Only `catalog` may
# know adapters. A module that is named nowhere here is an adapter, or a part of one: `webhook_auth` is a part of `webhook`.
SHARED: dict[str, dict[str, str]] = {
    "watcher.dialects": {
        "protocol": "what every dialect implements",
        "hosts": "which host a payload may name, the same question in every dialect",
        "fields": "the fields of an event, checked alike in every dialect",
        "azure_event": "what Azure says of one event, with an envelope and without",
        "ecr_host": "which host an account and a region of Amazon ECR are, in its own events and in those made of them",
        "cloudevent": "the envelope that several senders wrap their events in",
        "image_name": "an image that is written as one text, taken apart alike in every dialect",
    },
    "watcher.sources": {
        "protocol": "what every source implements",
        "binding": "the fields all sources share: whose events they bring",
        "condition": "what keeps a source from hearing, told alike by every one",
        "patience": "how long what cannot be stored is kept, which is asked by all whose sender does not repeat it for ever",
        "reconnecting": "how a source comes back after its connection was lost, however it is made",
        "context": "what every source may need of the daemon",
    },
    "watcher.backlog": {
        "protocol": "what every backlog implements",
        "inbox_json": "events and jobs as public JSON",
        "joining": "what a push joins, the same whatever keeps the backlog",
        "tables": "what is on disk, which the migrations of the store are compared with",
    },
    "watcher.publishing": {
        "protocol": "what every publisher implements",
        "settings": "the union that the configuration is read into, and settings that need no file of their own",
        "wanted": "the fields all destinations share: which verdicts they want",
        "context": "what every publisher may need of the daemon",
        "cause": "what verdicts have in common, which whoever tells of many of them asks",
        "summary": "many verdicts as one message, whoever it is for",
        "links": "where those who read a message find the rest",
        "referrer_index": "the list of an image's referrers under a tag, which attaching to it and keeping it whole both edit",
        "receiver": "how somebody who is told over HTTP says no",
        "rest_api": "one request to an API of JSON, and what its answer means for a publication",
        "source_commit": "which commit an image says it was built from, and whether that may be told",
        "commit_status": "which status a verdict is, in the words that all code hosts share",
        "commit_status_settings": "the fields of all that set the status of a commit",
        "ticket_flow": "when a ticket is opened, rewritten and closed, wherever it is kept",
        "ticket_settings": "the fields of all that keep tickets",
        "ticket_text": "what a ticket says, whoever shows it",
        "ticket_marker": "how a ticket is known by its text, wherever that is Markdown",
        "gitlab_api": "where GitLab's API is, and how it is asked",
        "github_api": "where GitHub's API is, and how it is asked",
        "cloudevent": "the one message format of every destination that sends messages",
        "cloud_errors": "what keeps a topic, queue or bus of a cloud from taking a message, told alike by every one",
        "aws_client": "how a service of AWS is called, the same for each of them",
        "aws_message": "what SQS and SNS have in common: attributes, and FIFO",
        "message": "what is said to people, in blocks that know no channel",
        "message_inert": "how texts of others are made harmless, which every markup needs",
        "message_markup": "how each kind of channel writes",
        "message_layout": "a message as one text that fits, which is the same for every channel",
        "dsse": "what is signed, and how that is written, which those who check it ask as well",
        "signing_key": "the keys to sign and to check with",
        "statement": "what is attested of an image, which those who check it read",
        "attestation": "how an image is attested in its registry, in either form, and how that ends",
        "attestation_following": "which image is signed by something else, so that it has to be attested anew",
        "attestation_bundle": "one of these forms, which those who check it read",
        "attestation_tag": "the other",
        "attestation_listed": "what of ours is listed beside an image",
        "notation": "how an image is signed as Notary Project says, which goes with its attestation",
        "notation_algorithm": "the keys of such signatures, to sign and to check with",
        "notation_chain": "the certificates of such signatures, those to sign with and those that are checked",
        "notation_envelope": "such a signature, which those who check it read, and by which ours are known",
        "notation_trust": "whose such signatures count, for those who check them",
        "referrer_attaching": "how an artefact is attached, whichever of ours it is",
        "verdict_message": "a verdict in words for people, whoever carries them",
    },
    "watcher.publishing.quarantine": {
        "protocol": "what every driver implements",
        "tags_driver": "what the specification lets everybody do to tags, which drivers begin with",
        "capabilities": "what quarantine can block where, which whoever lists it says",
        "pushed": "whose a tag is by the events of pushes, which whoever leads one anywhere asks",
        "settings": "what is to be done, which the publisher and its parts read",
        "decision": "what verdicts come to, by which the publisher begins and what a person releases is known again",
        "steps": "what is done to a registry and taken back, by the publisher and by hand",
        "release": "how everything is taken back, by the publisher and by hand",
    },
    "watcher.advisories.formats": {
        "protocol": "what every format is read by",
        "fields": "documents, ids, texts and times, which every format has",
        "osv": "the shape of a record, which PyPA writes as YAML",
        "vex_words": "what a statement may say, in OpenVEX and CSAF alike",
    },
    "watcher.inspection.catalogers": {
        "file_lists": "which files a package brought, in one form however its database has them",
        "licence_texts": "which licence a text is, whoever has it beside a package or in its metadata",
        "protocol": "what every cataloger implements, and its errors",
        "python_metadata": "what the metadata of a distribution of Python say, in a directory or in an egg",
        "purl": "the one way a package URL is written",
        "control_stanzas": "control files, which dpkg and opkg share",
        "sqlite_tables": "the rows of a table of SQLite, in which rpm and others keep what is installed",
        "native_passages": "what follows a mark in an executable, for each kind of mark",
        "stanzas": "bounded texts and `Key: value` lines, which dpkg, apk and Python metadata share",
        "zip_stream": "a zip as it comes by, of which jars and eggs are forms",
        "x509_der": "elements of DER, and what an algorithm of keys says of their size, in certificates and in keys",
    },
    "watcher.advisories.versions": {
        "protocol": "what a key is, what is refused, and how numbers are compared in every one",
        "semver": "the rules that crates.io has as they are, and Go, npm and NuGet with liberties of their own",
    },
}


def is_a_part(imported: str, importer: str) -> bool:
    """`webhook_auth` is for `webhook` and its settings; `webhook_settings` for every part of it and for the room's `settings`."""
    if imported.startswith((f"{importer}.", f"{importer}_", f"{importer.removesuffix('_settings')}_")):
        return True
    room, _, name = imported.rpartition(".")
    return name.endswith("_settings") and importer.startswith((imported.removesuffix("_settings"), f"{room}.settings"))


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("watcher", cache_dir=None)


@pytest.mark.parametrize("room", SHARED)
def test_an_adapter_knows_no_neighbour(graph: grimp.ImportGraph, room: str) -> None:
    """Within a room a module imports only what the room shares; only the catalog knows adapters."""
    shared = {f"{room}.{name}" for name in SHARED[room]}
    catalog = f"{room}.catalog"
    inner = tuple(f"{other}." for other in SHARED if other.startswith(f"{room}."))
    members = {each for each in graph.find_descendants(room) if not each.startswith(inner)}
    crossings = {
        f"{importer} imports {imported}"
        for importer in members - {catalog}
        for imported in graph.find_modules_directly_imported_by(importer) & members
        if imported not in shared and not is_a_part(imported, importer)
    }
    assert not crossings, f"a neighbour is no library: move what both need below them, or name it in SHARED: {sorted(crossings)}"


def test_only_those_who_assemble_know_a_catalog(graph: grimp.ImportGraph) -> None:
    """A catalog names every adapter of its room, so whoever imports it depends on all of them."""
    rooms = ("watcher.cli", "watcher.inspection", "watcher.advisories")
    assemblers = ("watcher.settings", "watcher.daemon", "watcher.preflight", "watcher.publishers", *rooms)
    strangers = {
        f"{importer} imports {room}.catalog"
        for room in SHARED
        if f"{room}.catalog" in graph.modules
        for importer in graph.find_modules_that_directly_import(f"{room}.catalog")
        if not importer.startswith(assemblers)
    }
    assert strangers == set()


def test_every_shared_module_exists_and_is_shared(graph: grimp.ImportGraph) -> None:
    """A line of SHARED that protects nothing is an open door."""
    listed = {f"{room}.{name}" for room, names in SHARED.items() for name in names}
    assert listed <= graph.modules
