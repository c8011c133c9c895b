"""What judging again needs: how far it came, and the images that were judged under an index."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

LISTED = sa.text("index_digest IS NOT NULL")


def upgrade() -> None:
    op.create_table("mark", sa.Column("name", sa.String(40), primary_key=True), sa.Column("value", sa.Text(), nullable=False))
    op.create_index("ix_verdict_index", "verdict", ["index_digest"], sqlite_where=LISTED, postgresql_where=LISTED)
