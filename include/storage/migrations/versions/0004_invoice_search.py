"""Indexes that invoices are searched by."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_booking_link_number_begins",
        "booking",
        ["link", "invoice_number"],
        unique=False,
        postgresql_ops={"invoice_number": "text_pattern_ops"},
    )
    op.create_index("ix_booking_link_minox_number", "booking", ["link", "minox_number"], unique=False)
    op.create_index("ix_booking_link_customer", "booking", ["link", "customer", "invoice_header_id"], unique=False)
    op.create_index("ix_booking_link_outcome", "booking", ["link", "outcome", "invoice_header_id"], unique=False)
    op.create_index("ix_booking_link_total", "booking", ["link", "total"], unique=False)


def downgrade() -> None:
    for name in ("total", "outcome", "customer", "minox_number", "number_begins"):
        op.drop_index(f"ix_booking_link_{name}", table_name="booking")
