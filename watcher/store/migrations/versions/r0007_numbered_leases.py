"""Leases with a number of their own, and since when what waits has waited."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for table in ("job", "publication"):
        op.add_column(table, sa.Column("lease", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("waits_since", sa.Float(), nullable=False, server_default="0"))
    op.add_column("publication", sa.Column("waits_since", sa.DateTime(timezone=True)))
