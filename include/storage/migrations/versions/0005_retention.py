"""Indexes for what is looked up by time, and by the run that is to be forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_sync_run_link_started_at", "sync_run", ["link", "started_at"]),
    ("ix_run_claim_run", "run_claim", ["run"]),
    ("ix_daily_sweep_run", "daily_sweep", ["run"]),
    ("ix_booking_attempt_link_started_at", "booking_attempt", ["link", "started_at"]),
    ("ix_alert_incident_link_resolved_at", "alert_incident", ["link", "resolved_at"]),
)


def upgrade() -> None:
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)
    op.create_index("ix_record_current_run", "record_current", ["run"], postgresql_where=sa.text("NOT follows"))


def downgrade() -> None:
    op.drop_index("ix_record_current_run", table_name="record_current")
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
