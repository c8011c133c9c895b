"""What sweeps saw in registries, and how far each has come."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "held_repository",
        sa.Column("id", ID, primary_key=True),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("looked_by", sa.Text(), nullable=False),
        sa.Column("looked_at", TIME, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.UniqueConstraint("registry", "repository"),
    )
    op.create_table(
        "held_image",
        sa.Column("repository_id", ID, sa.ForeignKey("held_repository.id"), primary_key=True),
        sa.Column("digest", sa.String(140), primary_key=True),
        sa.Column("tag", sa.String(128), primary_key=True),
        sa.Column("since", TIME, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sweep_pass",
        sa.Column("sweep", sa.Text(), primary_key=True),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("began_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("problems", sa.Text(), nullable=False, server_default=""),
    )
