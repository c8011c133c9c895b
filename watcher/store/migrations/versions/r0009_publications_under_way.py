"""Indexes of what is still to be published, and of what failed, instead of one of all that was ever published."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNS = {"waiting": "due_at", "leased": "lease_until", "failed": "id"}


def upgrade() -> None:
    op.drop_index("ix_publication_due", "publication")
    for state, column in COLUMNS.items():
        where = sa.text(f"state = '{state}'")
        op.create_index(f"ix_publication_{state}", "publication", [column], sqlite_where=where, postgresql_where=where)
