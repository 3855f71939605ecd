"""A row of QMS is one record of Minox: whose it is, is looked up by the row's key. The pace is that of a client."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MEANING = "A person asked for it, or what became of its last write is not known"


def upgrade() -> None:
    op.create_index("ix_binding_row", "binding", ["link", "entity", "qms_id"])
    op.alter_column("binding", "reoffer", existing_type=sa.Boolean(), existing_nullable=False, comment=MEANING)
    _call_key("Client of Minox, hashed with its address")


def downgrade() -> None:
    _call_key("Airflow connection")
    op.alter_column("binding", "reoffer", existing_type=sa.Boolean(), existing_nullable=False, comment=None)
    op.drop_index("ix_binding_row", table_name="binding")


def _call_key(comment: str) -> None:
    op.alter_column("request_pacing", "key", existing_type=sa.Text(), existing_nullable=False, comment=comment)
