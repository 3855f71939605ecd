"""Two years of runs in the connector's database, made by PostgreSQL itself in seconds."""

from __future__ import annotations

import sqlalchemy as sa

DAYS = 730
INVOICES = 20_000
CUSTOMERS = 3_000

FILL = (
    """INSERT INTO sync_run (link, direction, dag_id, run_id, plan, state, started_at, finished_at)
       SELECT link, direction, dag || '__' || link, 'scheduled__' || (day * 52 + quarter), jsonb_build_object(
                'start', began, 'end', began + interval '15 minutes', 'from_date', NULL, 'to_date', NULL,
                'local_date', began::date),
              CASE WHEN quarter = 7 AND day % 30 = 0 THEN 'failed' ELSE 'good' END,
              began + interval '15 minutes', began + interval '16 minutes'
       FROM many, generate_series(days, 1, -1) day, generate_series(0, 51) quarter,
            (VALUES ('minox_to_qms', 'minox_master_data'), ('qms_to_minox', 'qms_invoices')) AS d (direction, dag),
            LATERAL (SELECT date_trunc('day', now()) - make_interval(days => day, mins => -360 - 15 * quarter))
              AS t (began)
       ORDER BY day DESC, quarter, direction, link""",
    """INSERT INTO sync_run (link, direction, dag_id, run_id, plan, state, started_at, finished_at)
       SELECT link, 'reconcile', 'reconcile__' || link, 'scheduled__' || day, '{}', 'good',
              now() - make_interval(days => day), now() - make_interval(days => day)
       FROM many, generate_series(days, 1, -1) day""",
    """INSERT INTO sync_run_entity (run, entity, state, extracted, counts, read_at, finished_at)
       SELECT id, entity, 'good', 0, '{"rejected": 2}', started_at, finished_at
       FROM sync_run, (VALUES ('minox_to_qms', 'items'), ('minox_to_qms', 'customers'),
            ('qms_to_minox', 'invoices')) AS e (direction, entity)
       WHERE link = :link AND sync_run.direction = e.direction""",
    """INSERT INTO key_set (digest, keys) SELECT decode(md5(:link || n), 'hex'), ARRAY[n::text]
       FROM generate_series(1, 300) n""",
    """INSERT INTO sync_outcome_set (run, entity, key_set, occurred_at)
       SELECT e.run, e.entity, (SELECT min(id) FROM key_set) + e.run % 300, e.read_at
       FROM sync_run_entity e JOIN sync_run r ON r.id = e.run WHERE r.link = :link""",
    """INSERT INTO sync_outcome (run, entity, source_key, outcome, reason, occurred_at)
       SELECT r.id, CASE direction WHEN 'minox_to_qms' THEN 'customers' ELSE 'invoices' END, '1', 'rejected', 'x',
              r.started_at
       FROM sync_run r WHERE link = :link AND direction <> 'reconcile'""",
    """INSERT INTO check_result (run, entity, level, expectation, "column", success, details)
       SELECT id, 'customers', 'batch', 'e' || n, 'x', true, '{}'
       FROM (SELECT id FROM sync_run WHERE link = :link AND direction = 'minox_to_qms' ORDER BY id DESC LIMIT 100) r,
            generate_series(1, 60) n""",
    """INSERT INTO reconciliation_finding (run, link, kind, message) SELECT id, link, 'extra', 'm'
       FROM sync_run, generate_series(1, 5) WHERE link = :link AND direction = 'reconcile'""",
    """INSERT INTO daily_sweep (link, local_date, run)
       SELECT link, started_at::date, min(id) FROM sync_run WHERE link = :link GROUP BY 1, 2""",
    """INSERT INTO booking (link, invoice_header_id, batch_id, state, outcome, invoice_number, minox_number, customer,
                            invoice_date, total, read_at, staged_at, pdf_state, booked_at, updated_at)
       SELECT :link, 1000000 + n, gen_random_uuid(), CASE WHEN n % 400 = 0 THEN 'rejected' ELSE 'booked' END, 'booked',
              'H' || n, 100000000 + n, n % 500, current_date - (n % 730)::int, n, now(), now(),
              CASE WHEN n % 999 = 0 THEN 'pending' ELSE 'attached' END,
              CASE WHEN n % 400 > 0 THEN now() - make_interval(days => n % 730) END,
              now() - make_interval(days => n % 730)
       FROM generate_series(1, :invoices) n""",
    """INSERT INTO booking_attempt (link, invoice_header_id, run, what, started_at)
       SELECT :link, 1000000 + n, 1, 'put', now() - make_interval(days => n % 730)
       FROM generate_series(1, :invoices) n, generate_series(1, 2)""",
    """INSERT INTO record_current (link, entity, source_key, outcome, run, occurred_at, follows)
       SELECT :link, 'invoices', (1000000 + n)::text, 'booked', (SELECT min(id) FROM sync_run WHERE link = :link) + n,
              now(), false FROM generate_series(1, :invoices) n
       UNION ALL
       SELECT :link, 'customers', 'H' || n, 'unchanged', (SELECT min(id) FROM sync_run WHERE link = :link), now(), true
       FROM generate_series(1, :customers) n""",
    """INSERT INTO latest_unchanged SELECT :link, entity, max(run), max(key_set), now()
       FROM sync_outcome_set s JOIN sync_run r ON r.id = s.run WHERE r.link = :link GROUP BY entity""",
    """INSERT INTO binding (link, entity, source_key, qms_id, written, read_at)
       SELECT :link, 'customers', 'H' || n, n, '{}', now() FROM generate_series(1, :customers) n""",
    """INSERT INTO entity_report (link, entity_type, entity_id, wanted, reported)
       SELECT :link, 'InvoiceHeader', 1000000 + n, '{}', '{}' FROM generate_series(1, :invoices) n""",
    """INSERT INTO field_change (run, link, entity, source_key, operation, changes, changed_at)
       SELECT 1, :link, 'customers', (n % 500)::text, 'updated', '{}', now() - make_interval(mins => n * 6)
       FROM generate_series(1, :invoices) n""",
    """INSERT INTO quarantine (link, direction, entity, source_key, reason, message, findings, first_run, last_run,
                               last_seen, solved_at, alerted)
       SELECT :link, 'qms_to_minox', 'invoices', n::text, 'x', 'x', '[]', 1, 1, old, old, true
       FROM (SELECT n, now() - make_interval(hours => n % 17000) AS old FROM generate_series(1, :invoices) n)""",
    """INSERT INTO alert_incident (link, direction, kind, message, resolved_at)
       SELECT :link, 'minox_to_qms', 'failed', 'x', now() - make_interval(hours => n % 17000)
       FROM generate_series(1, :invoices) n""",
    """INSERT INTO alert_message (link, route, subject, body, created_at, sent_at)
       SELECT :link, 'email', 'x', 'x', now() - make_interval(mins => n % 40000), now()
       FROM generate_series(1, :invoices) n""",
    """INSERT INTO person_action (link, action, entity, source_key, person)
       SELECT :link, 'reoffer', 'invoices', n::text, 'eva' FROM generate_series(1, :invoices) n""",
)


def fill(engine: sa.Engine, links: dict[str, int]) -> None:
    """Give links so many days of runs each, one among the other, and what these leave behind.

    Args:
        engine: Of a migrated database.
        links: Days of each link; the last of them is yesterday.
    """
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
        connection.execute(sa.text("CREATE TEMPORARY TABLE many (link text, days int) ON COMMIT DROP"))
        rows = [{"link": link, "days": days} for link, days in links.items()]
        connection.execute(sa.text("INSERT INTO many VALUES (:link, :days)"), rows)
        for statement in FILL[:2]:
            connection.execute(sa.text(statement))
        for link, days in links.items():
            values = {"link": link, "invoices": INVOICES * days // DAYS, "customers": CUSTOMERS * days // DAYS}
            for statement in FILL[2:]:
                query = sa.text(statement)
                connection.execute(query, {name: values[name] for name in query.compile().params})
