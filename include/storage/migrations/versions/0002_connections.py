"""The grants of the Airflow connections, and the shared pace of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "oauth_grant",
        sa.Column(
            "conn_id", sa.Text(), nullable=False, comment="Airflow connection; any number of links share its grant"
        ),
        sa.Column("state", sa.Text(), server_default="absent", nullable=False),
        sa.Column("issuer", sa.Text(), comment="Token address that gave the tokens; they are sent nowhere else"),
        sa.Column("access_token", sa.Text(), comment="Encrypted"),
        sa.Column("refresh_token", sa.Text(), comment="Encrypted; works once"),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("lifetime", sa.Integer(), comment="Seconds, as the token endpoint said"),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False, comment="Number of pairs received"),
        sa.Column("seed", sa.Text(), comment="SHA-256 of the extra.refresh_token last used"),
        sa.Column(
            "spent_seeds",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="SHA-256 of every extra.refresh_token that was used: none is ever sent again",
        ),
        sa.Column("obtained_at", sa.DateTime(timezone=True)),
        sa.Column("refreshed_at", sa.DateTime(timezone=True)),
        sa.Column("refused_at", sa.DateTime(timezone=True)),
        sa.Column("message", sa.Text(), comment="Why it was refused, without secrets"),
        sa.CheckConstraint("state IN ('absent', 'good', 'refused')", name=op.f("ck_oauth_grant_state")),
        sa.PrimaryKeyConstraint("conn_id", name=op.f("pk_oauth_grant")),
    )
    op.create_index("ix_oauth_grant_spent_seeds", "oauth_grant", ["spent_seeds"], postgresql_using="gin")
    op.create_table(
        "request_pacing",
        sa.Column("key", sa.Text(), nullable=False, comment="Airflow connection"),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="First moment that nobody has reserved",
        ),
        sa.Column("blocked_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_request_pacing")),
    )
