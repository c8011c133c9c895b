"""The first tables: inbox and jobs, facts, verdicts, publications.

Written out rather than taken from the code's own tables: a migration says what was true when it was written.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def where_state(state: str) -> dict[str, Any]:
    condition = sa.text(f"state = '{state}'")
    return {"sqlite_where": condition, "postgresql_where": condition}


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("delivery_key", sa.Text(), nullable=False),
        sa.Column("put_at", sa.Float(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("fate", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("excerpt", sa.LargeBinary(), nullable=True),
        sa.Column("body_sha256", sa.Text(), nullable=True),
        sa.Column("body_bytes", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "delivery_key"),
    )
    op.create_table(
        "job",
        sa.Column("seq", ID, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.Text(), nullable=True),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("put_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_job_dead", "job", ["seq"], unique=False, **where_state("dead"))
    op.create_index("ix_job_done", "job", ["settled_at"], unique=False, **where_state("done"))
    op.create_index("ix_job_leased", "job", ["subject"], unique=False, **where_state("leased"))
    op.create_index("ix_job_subject", "job", ["subject", "seq"], unique=False)
    op.create_index("ix_job_waiting", "job", ["lane", "due_at", "seq"], unique=False, **where_state("waiting"))
    op.create_table(
        "chain",
        sa.Column("chain_id", sa.String(length=140), nullable=False),
        sa.Column("layers", sa.Integer(), nullable=False),
        sa.Column("sets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id"),
    )
    op.create_table(
        "findings",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "image",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("facts_revision", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.String(length=140), nullable=True),
        sa.Column("config", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_image_chain", "image", ["chain_id"], unique=False)
    op.create_table(
        "layer",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("analyser_version", sa.Text(), nullable=False),
        sa.Column("sections", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", "analyser_version"),
    )
    op.create_table(
        "own_write",
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_own_write_claimed", "own_write", ["claimed_at"], unique=False)
    op.create_table(
        "deployment",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "package",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("ecosystem", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("purl", sa.Text(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_package_name", "package", ["name", "ecosystem", "version"], unique=False)
    op.create_index("ix_package_purl", "package", ["purl"], unique=False)
    op.create_index("ix_package_source", "package", ["ecosystem", "source"], unique=False)
    op.create_table(
        "package_set",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "image_layer",
        sa.Column("image_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("layer_id", ID, nullable=False),
        sa.Column("hidden", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["layer_id"],
            ["layer.id"],
        ),
        sa.PrimaryKeyConstraint("image_id", "position"),
    )
    op.create_index("ix_image_layer_layer", "image_layer", ["layer_id", "image_id"], unique=False)
    op.create_table(
        "image_set",
        sa.Column("set_id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.Column("layer_id", ID, nullable=True),
        sa.Column("from_base", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.id"],
        ),
        sa.ForeignKeyConstraint(
            ["layer_id"],
            ["layer.id"],
        ),
        sa.ForeignKeyConstraint(
            ["set_id"],
            ["package_set.id"],
        ),
        sa.PrimaryKeyConstraint("set_id", "image_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_image_set_image", "image_set", ["image_id", "set_id"], unique=False)
    op.create_table(
        "layer_files",
        sa.Column("layer_id", ID, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["layer_id"],
            ["layer.id"],
        ),
        sa.PrimaryKeyConstraint("layer_id"),
    )
    op.create_table(
        "layer_judgement",
        sa.Column("layer_id", ID, nullable=False),
        sa.Column("file_rules_digest", sa.String(length=140), nullable=False),
        sa.Column("hits", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["layer_id"],
            ["layer.id"],
        ),
        sa.PrimaryKeyConstraint("layer_id"),
    )
    op.create_table(
        "match",
        sa.Column("package_id", ID, nullable=False),
        sa.Column("advisory", sa.String(length=255), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("fixed", sa.Text(), nullable=False),
        sa.Column("kev", sa.Boolean(), nullable=False),
        sa.Column("epss", sa.Float(), nullable=True),
        sa.Column("data_revision", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["package.id"],
        ),
        sa.PrimaryKeyConstraint("package_id", "advisory"),
    )
    op.create_index("ix_match_advisory", "match", ["advisory"], unique=False)
    op.create_table(
        "reference",
        sa.Column("id", ID, nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("image_id", "registry", "repository", "tag", "environment"),
    )
    op.create_table(
        "set_package",
        sa.Column("package_id", ID, nullable=False),
        sa.Column("set_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["package.id"],
        ),
        sa.ForeignKeyConstraint(
            ["set_id"],
            ["package_set.id"],
        ),
        sa.PrimaryKeyConstraint("package_id", "set_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verdict",
        sa.Column("id", ID, nullable=False),
        sa.Column("verdict_id", sa.String(length=80), nullable=False),
        sa.Column("image_id", ID, nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("policy_revision", sa.Text(), nullable=False),
        sa.Column("facts_revision", sa.Text(), nullable=False),
        sa.Column("data_revision", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin_source", sa.Text(), nullable=True),
        sa.Column("origin_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("index_digest", sa.String(length=140), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("findings_digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["findings_digest"],
            ["findings.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("verdict_id"),
    )
    op.create_index("ix_verdict_image", "verdict", ["image_id", "id"], unique=False)
    op.create_table(
        "publication",
        sa.Column("id", ID, nullable=False),
        sa.Column("verdict_id", sa.String(length=80), nullable=False),
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["verdict_id"],
            ["verdict.verdict_id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("verdict_id", "publisher"),
    )
    op.create_index("ix_publication_due", "publication", ["state", "due_at"], unique=False)
    op.create_index("ix_publication_subject", "publication", ["subject", "publisher", "state"], unique=False)
