"""The tables of facts, verdicts and publications. The migrations create them; a test holds both equal.

Packages are kept once by content, and images share *sets* of them: what survives of one layer in one image. Ten thousand images
then need a ninth of the rows that one row per image and package would.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from watcher.kit.columns import Id, UtcTime

metadata = MetaData()

# `digest` is the sha256 of every intrinsic field, never of the purl: two records with one purl and other licences differ.
# `source` is the name that advisories are matched on; `detail` is what of the record has no column, as msgpack.
package = Table(
    "package",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("ecosystem", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("purl", Text, nullable=False),
    Column("detail", LargeBinary, nullable=False),
    Index("ix_package_name", "name", "ecosystem"),
    Index("ix_package_source", "source", "ecosystem"),
    Index("ix_package_purl", "purl"),
)

# `paths` are of the databases that its packages are in, in their order: zstd msgpack [[path, how many], …]. `digest` is the sha256
# of the paths and of the packages' digests.
package_set = Table(
    "package_set",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("paths", LargeBinary, nullable=False),
)

set_package = Table(
    "set_package",
    metadata,
    Column("set_id", Id, ForeignKey("package_set.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("package_id", Id, ForeignKey("package.id"), nullable=False),
    Index("ix_set_package_package", "package_id"),
    sqlite_with_rowid=False,
)

# One row per layer. `makers` are those of its facts, separated by spaces; `sections` holds the problems found, `facts` everything
# but files and secrets.
layer = Table(
    "layer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(140), nullable=False, unique=True),
    Column("makers", Text, nullable=False),
    Column("sections", LargeBinary, nullable=False),
    Column("facts", LargeBinary, nullable=False),
    Column("secrets", LargeBinary, nullable=False),
)

# Apart from `layer`, so that scans of layers stay small.
layer_files = Table(
    "layer_files",
    metadata,
    Column("layer_id", Id, ForeignKey("layer.id"), primary_key=True),
    Column("blob", LargeBinary, nullable=False),
)

# Everything that was ever judged: images, and indexes and artefacts, whose `config` is NULL as that of an image that could not
# be read. `chain_id` names the layers in their order (watcher/store/chain.py). `distro` is `debian:12`, '' where it has none.
image = Table(
    "image",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(140), nullable=False, unique=True),
    Column("chain_id", String(140)),
    Column("config", LargeBinary),
    Column("distro", Text, nullable=False, server_default=""),
    Index("ix_image_chain", "chain_id"),
)

# Where an image was seen, and by which names: '' where it has no tag or no environment. Nothing is removed when a tag moves, since
# what was once known by it may still be somebody's base; `leads` says whether the tag led there when that was last known.
reference = Table(
    "reference",
    metadata,
    Column("id", Id, primary_key=True),
    Column("image_id", Id, ForeignKey("image.id"), nullable=False),
    Column("registry", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("leads", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("image_id", "registry", "repository", "tag", "environment"),
    Index("ix_reference_place", "registry", "repository"),
)

# `position` is that of the layer that brought the set, 0 = base.
image_set = Table(
    "image_set",
    metadata,
    Column("image_id", Id, ForeignKey("image.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("set_id", Id, ForeignKey("package_set.id"), nullable=False),
    Column("from_base", Boolean, nullable=False),
    Index("ix_image_set_set", "set_id"),
    sqlite_with_rowid=False,
)

# By content: an unchanged judgement of an image is not written again. zstd JSON of findings, sections and policies.
findings = Table(
    "findings",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("blob", LargeBinary, nullable=False),
)

# `id` is the order of recording; `verdict_id` is the verdict's own. '' stands for no tag, no environment and no owner; `tags` are
# separated by spaces, which no tag contains. `looked` is false where the image's bytes could not be had; such a verdict `stands`
# unless another had looked before. `replaces` is HOST/REPOSITORY@DIGEST of what its tag led to before, '' where it led nowhere.
verdict = Table(
    "verdict",
    metadata,
    Column("id", Id, primary_key=True),
    Column("verdict_id", String(80), nullable=False, unique=True),
    Column("image_id", Id, ForeignKey("image.id"), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("registry", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("digest", String(140), nullable=False),
    Column("environment", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("platform", Text),
    Column("media_type", Text, nullable=False),
    Column("policy_revision", Text, nullable=False),
    Column("facts_revision", Text, nullable=False),
    Column("data_revision", Text, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("evaluated_at", UtcTime, nullable=False),
    Column("origin_source", Text),
    Column("origin_received_at", UtcTime),
    Column("origin_actor", Text),
    Column("index_digest", String(140)),
    Column("reason", Text, nullable=False),
    Column("findings_digest", LargeBinary(32), ForeignKey("findings.digest"), nullable=False),
    Column("looked", Boolean, nullable=False, server_default=true()),
    Column("stands", Boolean, nullable=False, server_default=true()),
    Column("owner", Text, nullable=False, server_default=""),
    Column("replaces", Text, nullable=False, server_default=""),
    Index("ix_verdict_image", "image_id", "id"),
    # Partial, since most images are part of none.
    Index(
        "ix_verdict_index",
        "index_digest",
        sqlite_where=text("index_digest IS NOT NULL"),
        postgresql_where=text("index_digest IS NOT NULL"),
    ),
    Index("ix_verdict_findings", "findings_digest"),
    Index(
        "ix_verdict_tag",
        "repository",
        "tag",
        "registry",
        sqlite_where=text("tag <> ''"),
        postgresql_where=text("tag <> ''"),
    ),
)

# The outbox. `subject` is HOST/REPOSITORY@DIGEST; `state` is waiting, leased, published, failed, superseded or unwanted. While
# waiting `due_at` is when to try, while leased `lease_until` is when it comes back. `lease`, `waits_since`, `outside` and
# `outside_seconds` are as those of a job (watcher/backlog/tables.py); of one that failed, `waits_since` is when. `progress` is what
# its publisher noted on the way.
publication = Table(
    "publication",
    metadata,
    Column("id", Id, primary_key=True),
    Column("verdict_id", String(80), ForeignKey("verdict.verdict_id"), nullable=False),
    Column("publisher", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("lease_until", UtcTime),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("progress", Text, nullable=False, server_default=""),
    Column("lease", Integer, nullable=False, server_default="0"),
    Column("waits_since", UtcTime),
    Column("outside", Integer, nullable=False, server_default="0"),
    Column("outside_seconds", Float, nullable=False, server_default="0"),
    UniqueConstraint("verdict_id", "publisher"),
    Index("ix_publication_subject", "subject", "publisher", "state"),
    # Partial, so that they hold what is under way and stay small however much was published.
    Index(
        "ix_publication_waiting",
        "publisher",
        "due_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_publication_leased", "lease_until", sqlite_where=text("state = 'leased'"), postgresql_where=text("state = 'leased'")),
    Index("ix_publication_failed", "id", sqlite_where=text("state = 'failed'"), postgresql_where=text("state = 'failed'")),
)

# Digests that we wrote into registries ourselves, recorded before they were put. With a `tag`, ours under that alone. `is_gone`: we
# removed it.
own_write = Table(
    "own_write",
    metadata,
    Column("digest", String(140), primary_key=True),
    Column("claimed_at", UtcTime, nullable=False),
    Column("tag", String(128), nullable=False, server_default=""),
    Column("is_gone", Boolean, nullable=False, server_default=false()),
    Index("ix_own_write_claimed", "claimed_at"),
)

# Who is editing what a registry keeps about an image. `subject` is HOST/REPOSITORY@DIGEST; a row is gone, or taken by another,
# once `lease_until` has passed.
subject_lock = Table(
    "subject_lock",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("lease_until", UtcTime, nullable=False),
)

# One for each cause that a publisher opens tickets for, while there is any and after. `key` is the tracker's name for it, '' before
# there is one; `written` hashes what it says there. `changed` counts what may have changed its images, `settled` is what `changed`
# was when the tracker was told last. One without a cause says how far all images have been looked at that were judged before.
ticket = Table(
    "ticket",
    metadata,
    Column("id", Id, primary_key=True),
    Column("publisher", Text, nullable=False),
    Column("cause", String(64), nullable=False),
    Column("rule", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("key", Text, nullable=False, server_default=""),
    Column("is_open", Boolean, nullable=False, server_default=false()),
    Column("written", String(64), nullable=False, server_default=""),
    Column("changed", Integer, nullable=False, server_default="0"),
    Column("settled", Integer, nullable=False, server_default="0"),
    UniqueConstraint("publisher", "cause"),
)

# Which images the verdicts said have a cause, '' for no environment.
ticket_image = Table(
    "ticket_image",
    metadata,
    Column("id", Id, primary_key=True),
    Column("ticket_id", Id, ForeignKey("ticket.id"), nullable=False),
    Column("image_id", Id, ForeignKey("image.id"), nullable=False),
    Column("registry", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("environment", Text, nullable=False),
    UniqueConstraint("ticket_id", "image_id", "registry", "repository", "environment"),
    Index("ix_ticket_image_image", "image_id"),
    Index("ix_ticket_image_place", "registry", "repository"),
)

# Images that are kept from being pulled, each by the publisher that does it. `state` and those in `steps`, which is JSON of a Step
# by its Measure, are of watcher/model/quarantine.py. `verdict_id` may be of a verdict that is not kept any more.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Id, primary_key=True),
    Column("publisher", Text, nullable=False),
    Column("registry", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("digest", String(140), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("verdict_id", String(80), nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("steps", Text, nullable=False),
    Column("passing_since", UtcTime),
    Column("ended_by", Text, nullable=False),
    Column("ended_reason", Text, nullable=False),
    Column("excused", String(64), nullable=False),
    UniqueConstraint("publisher", "registry", "repository", "digest"),
    Index("ix_quarantine_place", "repository", "registry"),
)

# The tags that were led away from such an image; '' leads nowhere.
quarantine_tag = Table(
    "quarantine_tag",
    metadata,
    Column("id", Id, primary_key=True),
    Column("quarantine_id", Id, ForeignKey("quarantine.id"), nullable=False),
    Column("tag", String(128), nullable=False),
    Column("leads_to", String(140), nullable=False),
    Column("state", String(12), nullable=False),
    Column("detail", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("moved_at", UtcTime),
    UniqueConstraint("quarantine_id", "tag"),
)

# Every repository that a sweep looked at, and what it saw there last. `problem` is what of it could not be read, '' for nothing.
held_repository = Table(
    "held_repository",
    metadata,
    Column("id", Id, primary_key=True),
    Column("registry", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("looked_by", Text, nullable=False),
    Column("looked_at", UtcTime, nullable=False),
    Column("problem", Text, nullable=False),
    UniqueConstraint("registry", "repository"),
)

# A tag with what it led to, or, with '' for a tag, a digest that none leads to. `since` is when it was seen first.
held_image = Table(
    "held_image",
    metadata,
    Column("repository_id", Id, ForeignKey("held_repository.id"), primary_key=True),
    Column("digest", String(140), primary_key=True),
    Column("tag", String(128), primary_key=True),
    Column("since", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

# How far each sweep has come with what it is told to look at. `began_at` is of the pass that is under way, NULL when none is;
# `ended_at` and `problems` of the last one that came to its end.
sweep_pass = Table(
    "sweep_pass",
    metadata,
    Column("sweep", Text, primary_key=True),
    Column("registry", Text, nullable=False),
    Column("scope", String(64), nullable=False),
    Column("began_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("problems", Text, nullable=False, server_default=""),
)

# One row a name: what belongs to this deployment and is made once.
deployment = Table(
    "deployment",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

# `key` names a vulnerability and a package (watcher/advisories/vulnerabilities.py).
first_seen = Table(
    "first_seen",
    metadata,
    Column("key", Text, primary_key=True),
    Column("seen_at", UtcTime, nullable=False),
)

# How far something came: one row a name.
mark = Table(
    "mark",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
