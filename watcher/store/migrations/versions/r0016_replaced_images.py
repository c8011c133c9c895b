"""Which image a verdict's tag led to before: whoever heard of that one is told when the next one is better."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

TAGGED = sa.text("tag <> ''")


def upgrade() -> None:
    op.add_column("verdict", sa.Column("replaces", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_verdict_tag", "verdict", ["repository", "tag", "registry"], sqlite_where=TAGGED, postgresql_where=TAGGED)
