"""The tables of the connector's own database (PostgreSQL), as SQLAlchemy Core tables.

Grouped by what they are for: runs, staging, master data, bookings, outcomes, people, connections. The public views
`sync_outcomes` and `sync_current` (spec, section 6) are made by the migrations. Names avoid those of Airflow's own
tables, so that both may live in one database.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, UUID

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MASTER_DATA = ("vat_codes", "payment_terms", "cost_centers", "item_groups", "items", "customers")
BOOKING_SOURCES = ("entity_changes", "invoices", "invoice_totals", "invoice_lines")
QMS_ROWS = tuple(f"qms_{entity}" for entity in ("vat_codes", "payment_terms", "cost_centers", "items", "customers"))


def _instant(name: str, *, now: bool = False, nullable: bool = True) -> sa.Column[object]:
    """Make a column for an instant; `now` fills it with the time of the statement."""
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=nullable and not now,
        server_default=sa.func.clock_timestamp() if now else None,
    )


# -- runs --------------------------------------------------------------------------------------------------------------

sync_run = sa.Table(
    "sync_run",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("dag_id", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("plan", JSONB, nullable=False, comment="What the run was asked: interval or dates, dry run"),
    sa.Column("dry_run", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("state", sa.Text, nullable=False, server_default="running", comment="running, good, failed, abandoned"),
    _instant("started_at", now=True),
    _instant("finished_at"),
    sa.Column("message", sa.Text),
    sa.Column("figures", JSONB, comment="Requests, bytes and waits per system"),
    sa.Column("failures", JSONB, nullable=False, server_default="{}", comment="Per task that failed: why"),
    sa.UniqueConstraint("dag_id", "run_id"),
    sa.Index("ix_sync_run_link_direction_id", "link", "direction", "id"),
    sa.Index("ix_sync_run_link_started_at", "link", "started_at"),
    sa.Index("ix_sync_run_dry", "link", "direction", "id", postgresql_where=sa.text("dry_run")),
    sa.Index("ix_sync_run_link_run_id", "link", "run_id"),
)

sync_run_entity = sa.Table(
    "sync_run_entity",
    metadata,
    sa.Column("run", sa.ForeignKey("sync_run.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, comment="staged, checked, held, good, failed"),
    sa.Column("extracted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("counts", JSONB, comment="Number of records per outcome, once the entity is finished"),
    sa.Column("message", sa.Text),
    _instant("read_at", nullable=False),
    _instant("finished_at"),
)

run_claim = sa.Table(
    "run_claim",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("direction", sa.Text, primary_key=True),
    sa.Column("run", sa.ForeignKey("sync_run.id", ondelete="CASCADE"), nullable=False, index=True),
    _instant("claimed_at", now=True),
    _instant("seen_at", now=True),
)

daily_sweep = sa.Table(
    "daily_sweep",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("local_date", sa.Date, primary_key=True),
    sa.Column("run", sa.ForeignKey("sync_run.id", ondelete="SET NULL"), index=True),
    _instant("swept_at", now=True),
)

check_result = sa.Table(
    "check_result",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("run", sa.ForeignKey("sync_run.id", ondelete="CASCADE"), nullable=False),
    sa.Column("entity", sa.Text, nullable=False),
    sa.Column("level", sa.Text, nullable=False, comment="record or batch"),
    sa.Column("expectation", sa.Text, nullable=False),
    sa.Column("column", sa.Text, nullable=False),
    sa.Column("success", sa.Boolean, nullable=False),
    sa.Column("details", JSONB, nullable=False),
    sa.Index("ix_check_result_run_entity", "run", "entity"),
)

# -- staging -----------------------------------------------------------------------------------------------------------


def _staging(entity: str) -> sa.Table:
    """Declare the staging table of one entity: the raw record, its key, its content hash, the run and the time."""
    return sa.Table(
        f"staging_{entity}",
        metadata,
        sa.Column("run", sa.BigInteger, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, comment="Place in the list, counted from 1"),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("parent", sa.Text, comment="Key of the record that this one belongs to, if any"),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("raw", JSON, nullable=False, comment="As received"),
        sa.Column("rejected", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="By the checks"),
        _instant("staged_at", now=True),
        sa.Index(f"ix_staging_{entity}_run_key", "run", "key"),
        *([sa.Index(f"ix_staging_{entity}_run_parent", "run", "parent")] if entity == "invoice_lines" else []),
    )


STAGING = {entity: _staging(entity) for entity in (*MASTER_DATA, *BOOKING_SOURCES, *QMS_ROWS)}

staging_preview = sa.Table(
    "staging_preview",
    metadata,
    sa.Column("run", sa.BigInteger, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("source_key", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("details", JSON, comment="The exact entry, or the changes field by field"),
)

# -- master data -------------------------------------------------------------------------------------------------------

binding = sa.Table(
    "binding",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("source_key", sa.Text, primary_key=True),
    sa.Column("qms_id", sa.BigInteger, comment="Null while QMS has no such record"),
    sa.Column("written", JSONB, comment="Coupled fields as last written, or found equal"),
    sa.Column("written_hash", sa.LargeBinary),
    _instant("read_at", nullable=False),
    sa.Column("refused_hash", sa.LargeBinary, comment="Coupled fields that QMS refused"),
    _instant("refused_at"),
    sa.Column("refused_message", sa.Text),
    sa.Column(
        "reoffer",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="A person asked for it, or what became of its last write is not known",
    ),
    _instant("written_at"),
    sa.Index("ix_binding_row", "link", "entity", "qms_id"),
    sa.Index("ix_binding_refused", "link", "entity", postgresql_where=sa.text("refused_hash IS NOT NULL")),
)

reference = sa.Table(
    "reference",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("qms_id", sa.BigInteger, nullable=False),
    _instant("found_at", now=True),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("entity", sa.Text, nullable=False),
    sa.Column("source_key", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("findings", JSONB, nullable=False, comment="All findings: reason, field, message"),
    sa.Column("payload", sa.Text, comment="As received"),
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    sa.Column("first_run", sa.BigInteger, nullable=False),
    sa.Column("last_run", sa.BigInteger, nullable=False),
    _instant("first_seen", now=True),
    _instant("last_seen", now=True),
    _instant("solved_at"),
    sa.Column("solved_run", sa.BigInteger),
    sa.Column("alerted", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Index(
        "uq_quarantine_open",
        "link",
        "entity",
        "source_key",
        unique=True,
        postgresql_where=sa.text("solved_at IS NULL"),
    ),
    sa.Index("ix_quarantine_link_entity_last_seen", "link", "entity", "last_seen"),
    sa.Index("ix_quarantine_link_last_seen", "link", "last_seen", "id"),
    sa.Index("ix_quarantine_link_source_key", "link", "source_key"),
    sa.Index("ix_quarantine_news", "link", "direction", postgresql_where=sa.text("NOT alerted")),
)

field_change = sa.Table(
    "field_change",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("run", sa.BigInteger, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("entity", sa.Text, nullable=False),
    sa.Column("source_key", sa.Text, nullable=False),
    sa.Column("qms_id", sa.BigInteger),
    sa.Column("operation", sa.Text, nullable=False, comment="created or updated"),
    sa.Column("changes", JSONB, nullable=False, comment="Field: [before, after]"),
    _instant("changed_at", now=True),
    sa.Index("ix_field_change_link_entity_source_key", "link", "entity", "source_key", "id"),
    sa.Index("ix_field_change_link_changed_at", "link", "changed_at"),
)

# -- bookings ----------------------------------------------------------------------------------------------------------

booking = sa.Table(
    "booking",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("invoice_header_id", sa.BigInteger, primary_key=True),
    sa.Column("batch_id", UUID(as_uuid=True), nullable=False),
    sa.Column(
        "state",
        sa.Text,
        nullable=False,
        comment="open, sending, booked, already_booked, rejected, refused, skipped, excluded",
    ),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("reasons", JSONB, comment="All reasons that hold: code, field, message"),
    sa.Column("invoice_number", sa.Text, comment="As QMS writes it"),
    sa.Column("minox_number", sa.Integer, comment="As Minox gets it"),
    sa.Column("customer", sa.Integer),
    sa.Column("invoice_date", sa.Date, comment="InvoiceDate, else WorkInProgressDate"),
    sa.Column("document_date", sa.Date),
    sa.Column("total", sa.Numeric(18, 2)),
    sa.Column("source_hash", sa.Text, comment="Of the invoice as last read"),
    sa.Column("booked_source_hash", sa.Text, comment="Of the invoice as booked"),
    sa.Column("changed_source_hash", sa.Text, comment="Of the change after booking that was told last"),
    sa.Column("entry", JSON, comment="The entry as sent"),
    sa.Column("entry_hash", sa.Text),
    sa.Column("refused_entry_hash", sa.Text),
    sa.Column("rounding", JSONB),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reoffer", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("excluded_by", sa.Text),
    sa.Column("excluded_reason", sa.Text),
    _instant("read_at", nullable=False),
    sa.Column("staged_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("'epoch'")),
    _instant("first_seen", now=True),
    _instant("refused_at"),
    _instant("booked_at"),
    sa.Column("booked_run", sa.BigInteger),
    sa.Column("pdf_state", sa.Text, comment="Null (not asked), pending, sending, attached, failed"),
    sa.Column("pdf_message", sa.Text),
    sa.Column("pdf_document_id", sa.Text),
    _instant("pdf_at"),
    _instant("updated_at", now=True),
    sa.Index(
        "uq_booking_held_number",
        "link",
        "minox_number",
        unique=True,
        postgresql_where=sa.text("state IN ('sending', 'booked')"),
    ),
    sa.Index(
        "ix_booking_open", "link", postgresql_where=sa.text("state IN ('open', 'sending', 'rejected', 'refused')")
    ),
    sa.Index("ix_booking_link_invoice_date", "link", "invoice_date"),
    sa.Index("ix_booking_link_invoice_number", "link", "invoice_number"),
    sa.Index(
        "ix_booking_link_number_begins", "link", "invoice_number", postgresql_ops={"invoice_number": "text_pattern_ops"}
    ),
    sa.Index("ix_booking_link_minox_number", "link", "minox_number"),
    sa.Index("ix_booking_link_customer", "link", "customer", "invoice_header_id"),
    sa.Index("ix_booking_link_outcome", "link", "outcome", "invoice_header_id"),
    sa.Index("ix_booking_link_total", "link", "total"),
    sa.Index("ix_booking_link_updated_at", "link", "updated_at"),
    sa.Index("ix_booking_excluded", "link", postgresql_where=sa.text("state = 'excluded'")),
    sa.Index("ix_booking_not_judged", "link", postgresql_where=sa.text("staged_at > read_at")),
    sa.Index("ix_booking_pdf", "link", postgresql_where=sa.text("pdf_state IN ('pending', 'sending', 'failed')")),
)

booking_attempt = sa.Table(
    "booking_attempt",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("invoice_header_id", sa.BigInteger, nullable=False),
    sa.Column("run", sa.BigInteger, nullable=False),
    sa.Column("what", sa.Text, nullable=False, comment="put, look_up, pdf"),
    sa.Column("entry_hash", sa.Text),
    sa.Column("answer", sa.Text, comment="Null while nothing came back"),
    sa.Column("messages", JSONB),
    _instant("started_at", now=True),
    _instant("answered_at"),
    sa.Index("ix_booking_attempt_link_invoice_header_id", "link", "invoice_header_id", "id"),
    sa.Index("ix_booking_attempt_link_started_at", "link", "started_at"),
)

entity_report = sa.Table(
    "entity_report",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("entity_type", sa.Text, primary_key=True, comment="InvoiceHeader or CustomerCompany"),
    sa.Column("entity_id", sa.BigInteger, primary_key=True),
    sa.Column("entity_state_id", sa.BigInteger, comment="Null until QMS has the row"),
    sa.Column("wanted", JSONB, nullable=False, comment="DataSourceKey, IsError, Message"),
    sa.Column("reported", JSONB, comment="What QMS was told last"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("message", sa.Text, comment="Why the last attempt failed"),
    _instant("updated_at", now=True),
    sa.Index(
        "ix_entity_report_due", "link", postgresql_where=sa.text("reported IS NULL OR reported IS DISTINCT FROM wanted")
    ),
)

reconciliation_finding = sa.Table(
    "reconciliation_finding",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("run", sa.ForeignKey("sync_run.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="missing, extra, different, deleted, edited"),
    sa.Column("invoice_header_id", sa.BigInteger),
    sa.Column("invoice_number", sa.Text),
    sa.Column("customer", sa.Integer),
    sa.Column("in_qms", sa.Numeric(18, 2)),
    sa.Column("in_ledger", sa.Numeric(18, 2)),
    sa.Column("in_minox", sa.Numeric(18, 2)),
    sa.Column("message", sa.Text, nullable=False),
    _instant("found_at", now=True),
)

link_fact = sa.Table(
    "link_fact",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", JSONB, nullable=False),
    _instant("noted_at", now=True),
)

# -- outcomes ----------------------------------------------------------------------------------------------------------

sync_outcome = sa.Table(
    "sync_outcome",
    metadata,
    sa.Column("run", sa.ForeignKey("sync_run.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("source_key", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("message", sa.Text),
    _instant("occurred_at", now=True),
    sa.Index("ix_sync_outcome_entity_source_key", "entity", "source_key"),
)

key_set = sa.Table(
    "key_set",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("keys", ARRAY(sa.Text), nullable=False),
)

sync_outcome_set = sa.Table(
    "sync_outcome_set",
    metadata,
    sa.Column("run", sa.ForeignKey("sync_run.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("key_set", sa.ForeignKey("key_set.id"), nullable=False, index=True),
    _instant("occurred_at", now=True),
    comment="The unchanged records of a run: one row for all of them, sharing the list of keys with runs like it",
)

record_current = sa.Table(
    "record_current",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("source_key", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("run", sa.BigInteger, nullable=False),
    _instant("occurred_at", nullable=False),
    sa.Column(
        "follows",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="Unchanged in the latest run of its entity: run and time are those of latest_unchanged",
    ),
    sa.Index("ix_record_current_link_entity_outcome", "link", "entity", "outcome"),
    sa.Index("ix_record_current_run", "run", postgresql_where=sa.text("NOT follows")),
)

latest_unchanged = sa.Table(
    "latest_unchanged",
    metadata,
    sa.Column("link", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("run", sa.BigInteger, nullable=False),
    sa.Column("key_set", sa.BigInteger, nullable=False),
    _instant("occurred_at", nullable=False),
)

# -- people ------------------------------------------------------------------------------------------------------------

person_action = sa.Table(
    "person_action",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False, comment="reoffer, exclude, include, connect"),
    sa.Column("entity", sa.Text, nullable=False),
    sa.Column("source_key", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    _instant("acted_at", now=True),
    sa.Index("ix_person_action_link_entity_source_key", "link", "entity", "source_key"),
)

# -- connections -------------------------------------------------------------------------------------------------------

oauth_grant = sa.Table(
    "oauth_grant",
    metadata,
    sa.Column("conn_id", sa.Text, primary_key=True, comment="Airflow connection; any number of links share its grant"),
    sa.Column("state", sa.Text, nullable=False, server_default="absent"),
    sa.Column("issuer", sa.Text, comment="Token address that gave the tokens; they are sent nowhere else"),
    sa.Column("access_token", sa.Text, comment="Encrypted"),
    sa.Column("refresh_token", sa.Text, comment="Encrypted; works once"),
    _instant("expires_at"),
    sa.Column("lifetime", sa.Integer, comment="Seconds, as the token endpoint said"),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0", comment="Number of pairs received"),
    sa.Column(
        "spent_seeds",
        ARRAY(sa.Text),
        nullable=False,
        server_default=sa.text("'{}'"),
        comment="SHA-256 of every extra.refresh_token that was used: none is ever sent again",
    ),
    _instant("obtained_at"),
    _instant("refreshed_at"),
    _instant("refused_at"),
    sa.Column("message", sa.Text, comment="Why it was refused, without secrets"),
    sa.CheckConstraint("state IN ('absent', 'good', 'refused')", name="state"),
    sa.Index("ix_oauth_grant_spent_seeds", "spent_seeds", postgresql_using="gin"),
)

request_pacing = sa.Table(
    "request_pacing",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="Client of Minox, hashed with its address"),
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, comment="First moment that nobody has reserved"),
    _instant("blocked_until"),
)

# -- alerts ------------------------------------------------------------------------------------------------------------

alert_incident = sa.Table(
    "alert_incident",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False, comment="Empty: it concerns the whole link"),
    sa.Column("kind", sa.Text, nullable=False, comment="See include/alerts/incident.py"),
    sa.Column("subject", sa.Text, nullable=False, server_default="", comment="Airflow connection, for grants"),
    sa.Column("message", sa.Text, nullable=False, comment="For the bookkeeper"),
    sa.Column("detail", sa.Text, nullable=False, server_default="", comment="For the engineer"),
    sa.Column("dag_id", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("task_id", sa.Text),
    sa.Column("times", sa.Integer, nullable=False, server_default="1", comment="Runs that met it"),
    _instant("opened_at", now=True),
    _instant("last_seen", now=True),
    _instant("notified_at"),
    _instant("resolved_at"),
    sa.Index(
        "uq_alert_incident_open",
        "link",
        "direction",
        "kind",
        "subject",
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    ),
    sa.Index("ix_alert_incident_link_resolved_at", "link", "resolved_at"),
)

alert_message = sa.Table(
    "alert_message",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("incident", sa.ForeignKey("alert_incident.id", ondelete="CASCADE"), index=True),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("route", sa.Text, nullable=False, comment="email, or webhook:<connection>"),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    _instant("created_at", now=True),
    _instant("claimed_at"),
    _instant("sent_at"),
    sa.Column("error", sa.Text, comment="Why it was not sent the last time"),
    sa.Index("ix_alert_message_created_at", "created_at"),
    sa.Index("ix_alert_message_due", "id", postgresql_where=sa.text("sent_at IS NULL")),
)
