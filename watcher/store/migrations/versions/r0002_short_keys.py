"""Keys of the inbox and the jobs become 16 bytes; deletes and images are found by their place.

SQLite cannot change a column, so both tables are written again: the old ones with another name, the new ones beside them.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ROWS = 1000


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def key(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def event_of(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"delivery_key": key(f"{row['source']}\0{row['delivery_key']}")}


def job_of(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"subject": key(row["subject"])}


def upgrade() -> None:
    for index in ("ix_job_dead", "ix_job_done", "ix_job_leased", "ix_job_subject", "ix_job_waiting"):
        op.drop_index(index, "job")
    event = _renewed("event", event_columns())
    _copy(event, event_of)
    job = _renewed("job", job_columns())
    _copy(job, job_of)
    op.create_index("ix_event_deleted", "event", ["registry", "repository", "put_at"], **where("reason = 'delete'"))
    op.create_index("ix_reference_place", "reference", ["registry", "repository"])
    op.create_index("ix_job_dead", "job", ["seq"], **where("state = 'dead'"))
    op.create_index("ix_job_done", "job", ["settled_at"], **where("state = 'done'"))
    op.create_index("ix_job_leased", "job", ["subject"], **where("state = 'leased'"))
    op.create_index("ix_job_subject", "job", ["subject", "seq"])
    op.create_index("ix_job_waiting", "job", ["lane", "due_at", "seq"], **where("state = 'waiting'"))


def _renewed(name: str, columns: list[sa.schema.SchemaItem]) -> sa.Table:
    op.rename_table(name, f"{name}_before")
    return op.create_table(name, *columns)


def _copy(table: sa.Table, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Bring the rows over, a part at a time, in the order of their numbers."""
    bind = op.get_bind()
    columns = [column.name for column in table.columns]
    order = columns[0]
    before = sa.table(f"{table.name}_before", *(sa.column(name) for name in columns))
    last = 0
    while (
        rows := bind.execute(sa.select(before).where(before.c[order] > last).order_by(before.c[order]).limit(ROWS)).mappings().all()
    ):
        bind.execute(table.insert(), [changed(dict(row)) for row in rows])
        last = rows[-1][order]
    op.drop_table(f"{table.name}_before")


def event_columns() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("delivery_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("put_at", sa.Float(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("fate", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("excerpt", sa.LargeBinary(), nullable=True),
        sa.Column("body_sha256", sa.Text(), nullable=True),
        sa.Column("body_bytes", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("delivery_key"),
    ]


def job_columns() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("seq", ID, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.Text(), nullable=True),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("put_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    ]
