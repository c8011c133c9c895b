"""What we wrote that is ours under one tag only: an index of referrers, which lists what others wrote."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("own_write", sa.Column("tag", sa.String(128), nullable=False, server_default=""))
