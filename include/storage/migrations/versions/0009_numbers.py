"""Two invoices may have one number when somebody booked both by hand: only what is sent needs one of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _replace("state IN ('sending', 'booked')")


def downgrade() -> None:
    _replace("state IN ('sending', 'booked', 'already_booked')")


def _replace(states: str) -> None:
    op.drop_index("uq_booking_held_number", table_name="booking")
    op.create_index(
        "uq_booking_held_number", "booking", ["link", "minox_number"], unique=True, postgresql_where=sa.text(states)
    )
