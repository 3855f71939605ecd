"""An index for invoices that people have excluded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_booking_excluded", "booking", ["link"], postgresql_where=sa.text("state = 'excluded'"))


def downgrade() -> None:
    op.drop_index("ix_booking_excluded", table_name="booking")
