"""What we wrote and removed again: whoever puts it there once more is somebody else."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("own_write", sa.Column("is_gone", sa.Boolean(), nullable=False, server_default=sa.false()))
