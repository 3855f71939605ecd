"""`minox-qms status`: how the links are doing."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from include.errors import ConfigurationError
from minox_qms.cli.asking import JsonOption, reading
from minox_qms.cli.errors import EXIT_USAGE, told
from minox_qms.cli.output import counted, moment, print_json, print_table

if TYPE_CHECKING:
    from include.settings.link import LinkSettings
    from include.storage.overview import DirectionStatus, GrantStatus, LinkStatus


@told
def status(
    link: Annotated[str | None, typer.Option("--link", "-l", help="Only this link; all of them when left out.")] = None,
    json: JsonOption = False,
) -> None:
    """Show how the links are doing: last runs, what is open, grants, silence."""
    from include.settings.load import find_link, link_files, load_link
    from include.storage.overview import link_status

    settings: list[LinkSettings] = []
    faults: list[str] = []
    for path in [] if link is not None else link_files():
        try:
            settings.append(load_link(path))
        except ConfigurationError as error:
            faults.append(error.message)
    if link is not None:
        settings.append(find_link(link))
    with reading() as connection:
        found = [link_status(connection, one) for one in settings]
    if json:
        print_json(found)
    elif not found and not faults:
        typer.echo("There are no links yet.")
    else:
        for one in found:
            _print_link(one)
    for fault in faults:
        typer.echo(f"minox-qms: {fault}", err=True)
    if faults:
        raise typer.Exit(EXIT_USAGE)


def _print_link(one: LinkStatus) -> None:
    """Print one link."""
    typer.echo(f"Link {one.link}")
    for direction in one.directions:
        _print_direction(direction)
    typer.echo(f"  open invoices: {counted(one.open_invoices) or 'none'}")
    typer.echo(f"  PDFs to attach: {one.open_pdfs}; reports to QMS to send: {one.open_reports}")
    for grant in one.grants:
        typer.echo(f"  grant of {grant.conn_id} ({grant.system}): {_grant(grant)}")
    typer.echo("")


def _print_direction(one: DirectionStatus) -> None:
    """Print the last run of a direction."""
    typer.echo(f"  {one.direction}: {_last_run(one)}")
    if one.is_silent:
        typer.echo(f"    SILENT: no good run for {one.quiet_minutes} minutes of the schedule's window")
    elif one.last is not None and one.last.state != "good":
        last = "never" if one.last_good_at is None else moment(one.last_good_at)
        typer.echo(f"    last good run: {last}")
    if one.entities:
        print_table(
            "",
            ("entity", "state", "extracted#", "outcomes", "message"),
            ((each.entity, each.state, each.extracted, counted(each.counts), each.message) for each in one.entities),
        )
    if one.rejections:
        typer.echo(f"    in quarantine: {counted(one.rejections)}")


def _last_run(one: DirectionStatus) -> str:
    """The last run in one line."""
    run = one.last
    if run is None:
        return "never ran"
    took = "" if run.finished_at is None else f", {(run.finished_at - run.started_at).total_seconds():.0f} s"
    said = f": {run.message}" if run.message else ""
    return f"run {run.id} {run.state} ({moment(run.started_at)}{took}; {run.dag_id} {run.run_id}){said}"


def _grant(one: GrantStatus) -> str:
    """A grant in one line."""
    if one.state == "refused":
        return f"REFUSED: {one.message or 'connect again'}"
    if one.state == "absent" or one.expires_at is None:
        return "none yet: connect first"
    renewed = "" if one.refreshed_at is None else f", renewed {moment(one.refreshed_at)}"
    return f"good; its access token until {moment(one.expires_at)}{renewed}"
