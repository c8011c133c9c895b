"""Where a tag leads, and where it only led once: until now everything it ever led to. The newest verdict by it is believed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ROWS = 500

verdict = sa.table("verdict", *map(sa.column, ("id", "image_id", "index_digest", "registry", "repository", "tag")))
reference = sa.table("reference", *map(sa.column, ("id", "image_id", "registry", "repository", "tag", "leads")))


def upgrade() -> None:
    op.add_column("reference", sa.Column("leads", sa.Boolean(), nullable=False, server_default=sa.true()))
    bind = op.get_bind()
    columns = [verdict.c[name] for name in ("registry", "repository", "tag", "image_id")]
    by_tag = sa.select(*columns).where(verdict.c.tag != "", verdict.c.index_digest.is_(None)).order_by(verdict.c.id)
    newest = {tuple(row[:3]): row[3] for row in bind.execute(by_tag)}
    rows = bind.execute(sa.select(reference).where(reference.c.tag != "")).all()
    left = [row.id for row in rows if newest.get((row.registry, row.repository, row.tag), row.image_id) != row.image_id]
    for start in range(0, len(left), ROWS):
        op.execute(reference.update().where(reference.c.id.in_(left[start : start + ROWS])).values(leads=False))
