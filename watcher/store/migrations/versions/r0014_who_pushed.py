"""Who pushed an image and whose it is, beside its verdicts; and what waits, by who is to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.add_column("verdict", sa.Column("origin_actor", sa.Text()))
    op.add_column("verdict", sa.Column("owner", sa.Text(), nullable=False, server_default=""))
    op.drop_index("ix_publication_waiting", "publication")
    op.create_index(
        "ix_publication_waiting", "publication", ["publisher", "due_at"], sqlite_where=WAITING, postgresql_where=WAITING
    )
