"""Packages are kept once: an image's document no longer repeats them, its sets have them with their order and their paths.

What was written and never read goes: matches, judgements of layers, chains, links from images to layers, indexes for a search that
is not there. A layer has one row, which names the makers of its facts: analyser 1 was the first version of all of them.
"""

from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ROWS = 500
ANALYSER_1 = "apk/1 deb/1 npm/1 pypi/1 reader/1 secrets/1"

Package = dict[str, Any]
packages = sa.table("package", sa.column("id"), sa.column("digest"), sa.column("source"), sa.column("detail"))
images = sa.table("image", sa.column("id"), sa.column("config"))


def upgrade() -> None:
    for table in ("match", "layer_judgement", "chain", "image_layer", "image_set", "set_package", "package_set"):
        op.drop_table(table)
    for index in ("ix_package_name", "ix_package_source", "ix_package_purl"):
        op.drop_index(index, "package")
    for column in ("media_type", "facts_revision"):
        op.drop_column("image", column)
    _renew_layers()
    tables = _create_sets()
    for image_id, blob in _rows(images, "config"):
        if blob is not None:
            _rewrite_image(image_id, blob, *tables)
    for package_id, blob in _rows(packages, "detail"):
        _rewrite_package(package_id, blob)


def _rows(table: Any, column: str) -> Iterator[tuple[int, bytes]]:
    """Number and blob of every row, a part at a time, since the rows are changed meanwhile."""
    bind, last = op.get_bind(), 0
    part = sa.select(table.c.id, table.c[column]).order_by(table.c.id).limit(ROWS)
    while rows := bind.execute(part.where(table.c.id > last)).all():
        yield from ((number, blob) for number, blob in rows)
        last = rows[-1].id


def _renew_layers() -> None:
    for table in ("layer", "layer_files"):
        op.rename_table(table, f"{table}_before")
    op.create_table(
        "layer",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("makers", sa.Text(), nullable=False),
        sa.Column("sections", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "layer_files",
        sa.Column("layer_id", ID, nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["layer_id"], ["layer.id"]),
        sa.PrimaryKeyConstraint("layer_id"),
    )
    op.execute(
        f"""INSERT INTO layer (id, digest, makers, sections, facts, secrets)
        SELECT id, digest, '{ANALYSER_1}', sections, facts, secrets FROM layer_before WHERE analyser_version = '1'"""  # noqa: S608
    )
    op.execute("INSERT INTO layer_files (layer_id, blob) SELECT layer_id, blob FROM layer_files_before JOIN layer ON id = layer_id")
    op.drop_table("layer_files_before")
    op.drop_table("layer_before")


def _create_sets() -> tuple[sa.Table, sa.Table, sa.Table]:
    package_set = op.create_table(
        "package_set",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("paths", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    set_package = op.create_table(
        "set_package",
        sa.Column("set_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("package_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["set_id"], ["package_set.id"]),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"]),
        sa.PrimaryKeyConstraint("set_id", "position"),
        sqlite_with_rowid=False,
    )
    image_set = op.create_table(
        "image_set",
        sa.Column("image_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("set_id", ID, nullable=False),
        sa.Column("from_base", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"]),
        sa.ForeignKeyConstraint(["set_id"], ["package_set.id"]),
        sa.PrimaryKeyConstraint("image_id", "position"),
        sqlite_with_rowid=False,
    )
    return package_set, set_package, image_set


def _rewrite_image(image_id: int, blob: bytes, package_set: sa.Table, set_package: sa.Table, image_set: sa.Table) -> None:
    bind = op.get_bind()
    stored = msgspec.msgpack.decode(zstandard.decompress(blob))
    held: list[Package] = stored["inventory"]["packages"]
    stored["inventory"]["packages"] = []
    stored["runs"] = _runs(held, "layer")
    bind.execute(sa.update(images).where(images.c.id == image_id).values(config=zstandard.compress(msgspec.msgpack.encode(stored))))
    by_layer: defaultdict[int, list[Package]] = defaultdict(list)
    for package in held:
        by_layer[package["layer"]].append(package)
    for position, brought in by_layer.items():
        set_id = _set_id(brought, package_set, set_package)
        row = {"image_id": image_id, "position": position, "set_id": set_id, "from_base": brought[0]["from_base"]}
        bind.execute(image_set.insert(), row)


def _set_id(brought: list[Package], package_set: sa.Table, set_package: sa.Table) -> int:
    bind = op.get_bind()
    members = [sha256(msgspec.msgpack.encode(package["record"])).digest() for package in brought]
    paths = msgspec.msgpack.encode(_runs(brought, "path"))
    digest = sha256(paths + b"".join(members)).digest()
    known = bind.execute(sa.select(package_set.c.id).where(package_set.c.digest == digest)).scalar_one_or_none()
    if known is not None:
        return int(known)
    row = {"digest": digest, "paths": zstandard.compress(paths)}
    set_id = int(bind.execute(package_set.insert().returning(package_set.c.id), row).scalar_one())
    ids: dict[bytes, int] = {}
    for start in range(0, len(members), ROWS):
        found = sa.select(packages.c.digest, packages.c.id).where(packages.c.digest.in_(members[start : start + ROWS]))
        ids.update((each.digest, each.id) for each in bind.execute(found))
    edges = [{"set_id": set_id, "position": place, "package_id": ids[member]} for place, member in enumerate(members)]
    bind.execute(set_package.insert(), edges)
    return set_id


def _runs(held: list[Package], field: str) -> list[tuple[Any, int]]:
    return [(value, sum(1 for _ in run)) for value, run in groupby(held, lambda package: package[field])]


def _rewrite_package(package_id: int, blob: bytes) -> None:
    record = msgspec.msgpack.decode(blob)
    source = None if record["source"] else ""  # the column has the name where the record has no source
    detail = [record["architecture"], record["source_version"], record["licenses"], record["maintainer"], source]
    bind = op.get_bind()
    bind.execute(sa.update(packages).where(packages.c.id == package_id).values(detail=msgspec.msgpack.encode(detail)))
