"""A verdict that could not look does not take the place of one that did."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

verdict = sa.table("verdict", sa.column("outcome"), sa.column("facts_revision"), sa.column("looked"))


def upgrade() -> None:
    for name in ("looked", "stands"):
        op.add_column("verdict", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.true()))
    blind = (verdict.c.outcome == "unknown", verdict.c.facts_revision == "")
    op.execute(verdict.update().where(*blind).values(looked=False))
