"""Incidents that people are told of, and the messages that tell them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables; what left quarantine before this release is no news any more."""
    op.create_table(
        "alert_incident",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False, comment="Empty: it concerns the whole link"),
        sa.Column("kind", sa.Text(), nullable=False, comment="See include/alerts/incident.py"),
        sa.Column("subject", sa.Text(), server_default="", nullable=False, comment="Airflow connection, for grants"),
        sa.Column("message", sa.Text(), nullable=False, comment="For the bookkeeper"),
        sa.Column("detail", sa.Text(), server_default="", nullable=False, comment="For the engineer"),
        sa.Column("dag_id", sa.Text()),
        sa.Column("run_id", sa.Text()),
        sa.Column("task_id", sa.Text()),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False, comment="Runs that met it"),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("notified_at", sa.DateTime(timezone=True)),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_incident")),
    )
    op.create_index(
        "uq_alert_incident_open",
        "alert_incident",
        ["link", "direction", "kind", "subject"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "alert_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("incident", sa.BigInteger()),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False, comment="email, or webhook:<connection>"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True)),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text(), comment="Why it was not sent the last time"),
        sa.ForeignKeyConstraint(
            ["incident"],
            ["alert_incident.id"],
            name=op.f("fk_alert_message_incident_alert_incident"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_message")),
    )
    op.create_index(op.f("ix_alert_message_incident"), "alert_message", ["incident"])
    op.create_index("ix_alert_message_due", "alert_message", ["id"], postgresql_where=sa.text("sent_at IS NULL"))
    op.execute("UPDATE quarantine SET alerted = true WHERE solved_at IS NOT NULL")
