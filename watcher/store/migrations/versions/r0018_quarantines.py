"""Images that are kept from being pulled, and the tags that were led away from them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", ID, primary_key=True),
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(140), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("verdict_id", sa.String(80), nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("passing_since", TIME),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("ended_reason", sa.Text(), nullable=False),
        sa.Column("excused", sa.String(64), nullable=False),
        sa.UniqueConstraint("publisher", "registry", "repository", "digest"),
    )
    op.create_index("ix_quarantine_place", "quarantine", ["repository", "registry"])
    op.create_table(
        "quarantine_tag",
        sa.Column("id", ID, primary_key=True),
        sa.Column("quarantine_id", ID, sa.ForeignKey("quarantine.id"), nullable=False),
        sa.Column("tag", sa.String(128), nullable=False),
        sa.Column("leads_to", sa.String(140), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("moved_at", TIME),
        sa.UniqueConstraint("quarantine_id", "tag"),
    )
