"""The tables of the embedded backlog. The migrations of `watcher/store` create them; a test holds both equal.

Times are seconds since the epoch: the hot path compares and writes them without any conversion.
"""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

from watcher.kit.columns import Id

metadata = MetaData()

# The inbox: every event with what became of it, kept for as long as its sender may repeat it. '' where an event names none.
# `delivery_key` is the blake2b of the source and of what makes a delivery recognisable: half the rows' cost is their indexes.
event = Table(
    "event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("delivery_key", LargeBinary(16), nullable=False, unique=True),
    Column("put_at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("fate", String(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("event_id", Text),
    Column("registry", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("job_id", String(64)),
    Column("excerpt", LargeBinary),
    Column("body_sha256", Text),
    Column("body_bytes", Integer),
    # Tombstones.
    Index(
        "ix_event_deleted",
        "registry",
        "repository",
        "put_at",
        sqlite_where=text("reason = 'delete'"),
        postgresql_where=text("reason = 'delete'"),
    ),
)

# `subject` is the blake2b of HOST/REPOSITORY@DIGEST, or of HOST/REPOSITORY:TAG while no digest is known. `state` is waiting,
# leased, done or dead. `tags` are those of every event that joined, sorted, separated by spaces, which no tag contains. `attempts`
# is how often it was tried, `outside` how many of those failed by nothing of its own and do not count, `outside_seconds` how long
# in a row they did. `lease` numbers every time that it was leased, whatever became of it, and so tells the present holder from all
# before. `put_at` is when it came in, `received_at` what its event says; `occurred_at` is ISO 8601, as precise as the sender wrote
# it. `waits_since` is when `due_at` was decided: one that has not come yet was decided by a clock that was ahead. `environment` is
# NULL unless the event set one.
job = Table(
    "job",
    metadata,
    Column("seq", Id, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("lane", String(12), nullable=False),
    Column("state", String(8), nullable=False),
    Column("subject", LargeBinary(16), nullable=False),
    Column("registry", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("environment", Text),
    Column("source", Text, nullable=False),
    Column("media_type", Text),
    Column("actor", Text),
    Column("event_id", Text),
    Column("occurred_at", Text),
    Column("received_at", Float, nullable=False),
    Column("put_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("lease_until", Float),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("settled_at", Float),
    Column("lease", Integer, nullable=False, server_default="0"),
    Column("waits_since", Float, nullable=False, server_default="0"),
    Column("outside", Integer, nullable=False, server_default="0"),
    Column("outside_seconds", Float, nullable=False, server_default="0"),
    Index("ix_job_subject", "subject", "seq"),
    # Partial, so that they hold what is under way and stay small however many jobs were done.
    Index(
        "ix_job_waiting",
        "lane",
        "due_at",
        "seq",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_job_leased", "subject", sqlite_where=text("state = 'leased'"), postgresql_where=text("state = 'leased'")),
    Index("ix_job_dead", "seq", sqlite_where=text("state = 'dead'"), postgresql_where=text("state = 'dead'")),
    Index("ix_job_done", "settled_at", sqlite_where=text("state = 'done'"), postgresql_where=text("state = 'done'")),
)
