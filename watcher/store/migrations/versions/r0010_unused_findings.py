"""An index of what verdicts say, so that what no verdict says any more is found without reading them all."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("ix_verdict_findings", "verdict", ["findings_digest"])
