"""What tickets are for, and the images that they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "ticket",
        sa.Column("id", ID, primary_key=True),
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("cause", sa.String(64), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, server_default=""),
        sa.Column("is_open", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("written", sa.String(64), nullable=False, server_default=""),
        sa.Column("changed", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("settled", sa.Integer(), nullable=False, server_default="0"),
        sa.UniqueConstraint("publisher", "cause"),
    )
    op.create_table(
        "ticket_image",
        sa.Column("id", ID, primary_key=True),
        sa.Column("ticket_id", ID, sa.ForeignKey("ticket.id"), nullable=False),
        sa.Column("image_id", ID, sa.ForeignKey("image.id"), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.UniqueConstraint("ticket_id", "image_id", "registry", "repository", "environment"),
    )
    op.create_index("ix_ticket_image_image", "ticket_image", ["image_id"])
    op.create_index("ix_ticket_image_place", "ticket_image", ["registry", "repository"])
