"""Indexes for what people have not been told of yet, and for invoices that were worked on lately."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_quarantine_news", "quarantine", ["link", "direction"], postgresql_where=sa.text("NOT alerted"))
    op.create_index("ix_booking_link_updated_at", "booking", ["link", "updated_at"])


def downgrade() -> None:
    op.drop_index("ix_booking_link_updated_at", table_name="booking")
    op.drop_index("ix_quarantine_news", table_name="quarantine")
