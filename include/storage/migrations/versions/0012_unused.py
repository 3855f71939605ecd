"""Take away what nothing reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("booking", "pdf_attempts")
    op.drop_column("sync_run_entity", "rejected")
    op.drop_column("oauth_grant", "seed")


def downgrade() -> None:
    seed = sa.Column("seed", sa.Text(), comment="SHA-256 of the extra.refresh_token last used")
    op.add_column("oauth_grant", seed)
    op.add_column("sync_run_entity", sa.Column("rejected", sa.Integer(), server_default="0", nullable=False))
    op.add_column("booking", sa.Column("pdf_attempts", sa.Integer(), server_default="0", nullable=False))
