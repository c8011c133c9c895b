"""How often, and how long in a row, a job or a publication has failed by what is not its own fault."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for table in ("job", "publication"):
        op.add_column(table, sa.Column("outside", sa.Integer(), nullable=False, server_default="0"))
        op.add_column(table, sa.Column("outside_seconds", sa.Float(), nullable=False, server_default="0"))
