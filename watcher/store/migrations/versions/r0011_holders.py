"""Indexes that lead from a package to the images that hold it, and the distribution of an image beside them."""

from collections.abc import Iterator

import msgspec
import sqlalchemy as sa
import zstandard
from alembic import op

revision = "0011"
down_revision = "0010"

ROWS = 500
INDEXES = {
    "ix_package_name": ("package", ["name", "ecosystem"]),
    "ix_package_source": ("package", ["source", "ecosystem"]),
    "ix_package_purl": ("package", ["purl"]),
    "ix_set_package_package": ("set_package", ["package_id"]),
    "ix_image_set_set": ("image_set", ["set_id"]),
}
images = sa.table("image", sa.column("id"), sa.column("config"), sa.column("distro"))


class _Distro(msgspec.Struct):
    id: str
    version: str


class _Inventory(msgspec.Struct):
    distro: _Distro


class _Stored(msgspec.Struct):
    """Of `image.config`, what is read here."""

    inventory: _Inventory


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
    op.add_column("image", sa.Column("distro", sa.Text(), nullable=False, server_default=""))
    known = [{"number": number, "named": named} for number, named in _distros() if named]
    if known:
        named = sa.update(images).where(images.c.id == sa.bindparam("number")).values(distro=sa.bindparam("named"))
        op.get_bind().execute(named, known)


def _distros() -> Iterator[tuple[int, str]]:
    """A part at a time: the documents of all images do not fit into memory."""
    bind, last = op.get_bind(), 0
    part = sa.select(images.c.id, images.c.config).where(images.c.config.is_not(None)).order_by(images.c.id).limit(ROWS)
    while rows := bind.execute(part.where(images.c.id > last)).all():
        for number, blob in rows:
            distro = msgspec.msgpack.decode(zstandard.decompress(blob), type=_Stored).inventory.distro
            yield number, f"{distro.id}:{distro.version}" if distro.id and distro.version else distro.id
        last = rows[-1].id
