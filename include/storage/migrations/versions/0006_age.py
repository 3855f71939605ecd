"""Indexes for what is asked of a link that has been at work for years."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_sync_run_dry", "sync_run", ["link", "direction", "id"], postgresql_where=sa.text("dry_run"))
    op.create_index("ix_sync_run_link_run_id", "sync_run", ["link", "run_id"])
    op.create_index("ix_quarantine_link_last_seen", "quarantine", ["link", "last_seen", "id"])
    op.create_index("ix_quarantine_link_source_key", "quarantine", ["link", "source_key"])
    op.create_index("ix_alert_message_created_at", "alert_message", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_alert_message_created_at", table_name="alert_message")
    op.drop_index("ix_quarantine_link_source_key", table_name="quarantine")
    op.drop_index("ix_quarantine_link_last_seen", table_name="quarantine")
    op.drop_index("ix_sync_run_link_run_id", table_name="sync_run")
    op.drop_index("ix_sync_run_dry", table_name="sync_run")
