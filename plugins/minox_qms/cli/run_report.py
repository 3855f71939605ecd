"""What `minox-qms run` shows when the run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
import typer

from include.storage.engine import engine
from include.storage.previews import previews_of
from include.storage.runs import count_outcomes, find_run
from include.storage.tables import sync_run
from minox_qms.cli.output import print_json, print_table

if TYPE_CHECKING:
    from include.settings.link import LinkSettings


def report_run(dag_id: str, run_id: str, settings: LinkSettings, *, as_json: bool) -> bool:
    """Print a table of outcomes per entity, or the preview of a dry run.

    Returns:
        Whether the run came to a good end.
    """
    database = engine()
    run = find_run(database, dag_id, run_id)
    with database.connect() as connection:
        state, message = connection.execute(
            sa.select(sync_run.c.state, sync_run.c.message).where(sync_run.c.id == run.id)
        ).one()
        previews = previews_of(connection, run) if run.dry_run else []
    if run.dry_run and (previews or as_json or state == "good"):  # one that failed may have come to nothing
        from minox_qms.cli.preview import print_preview  # noqa: PLC0415 - only for dry runs

        print_preview(previews, settings, as_json)
    elif not run.dry_run:
        _print_counts(run.link, dag_id, run_id, count_outcomes(database, run), state, as_json=as_json)
    if state != "good":
        typer.echo(f"minox-qms: the run ended {state}: {message or 'see the log (--verbose)'}", err=True)
    return bool(state == "good")


def _print_counts(
    link: str, dag_id: str, run_id: str, counts: dict[str, dict[str, int]], state: str, *, as_json: bool
) -> None:
    """Print the number of records per entity and outcome."""
    if as_json:
        print_json({"link": link, "dag_id": dag_id, "run_id": run_id, "state": state, "outcomes": counts})
        return
    print_table(
        f"{dag_id} {run_id}",
        ("entity", "outcome", "records#"),
        (
            (entity, outcome, records)
            for entity, by_outcome in counts.items()
            for outcome, records in sorted(by_outcome.items())
        ),
        empty="no records.",
    )
