"""When the newest copy of an invoice was staged: no older one is sent, and it is taken up until it was judged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # of what was staged before nothing is known: long ago, so that no row is written anew
    op.add_column(
        "booking",
        sa.Column("staged_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("'epoch'")),
    )
    op.create_index("ix_booking_not_judged", "booking", ["link"], postgresql_where=sa.text("staged_at > read_at"))


def downgrade() -> None:
    op.drop_index("ix_booking_not_judged", table_name="booking")
    op.drop_column("booking", "staged_at")
