"""`minox-qms reoffer`, `exclude` and `include`: what a person decides about records."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from minox_qms.cli.asking import (
    ByOption,
    JsonOption,
    database,
    entity_named,
    is_invoice,
    link_named,
    person_named,
)
from minox_qms.cli.errors import LinkOption, only_link, told
from minox_qms.cli.output import print_json

if TYPE_CHECKING:
    from include.storage.actions import Done


@told
def reoffer(
    entity: Annotated[str, typer.Argument(help="Entity, by any of its names: customers, invoice, ...")],
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Keys in Minox; for invoices their number or InvoiceHeaderId.", show_default=False),
    ] = None,
    all_refused: Annotated[
        bool, typer.Option("--all-refused", help="Everything of the entity that the other system refused.")
    ] = False,
    link: LinkOption = None,
    reason: Annotated[str | None, typer.Option(help="Why, for those who read it later.")] = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Have records offered again by the next run, whatever the other system said of them before."""
    from include.errors import ConfigurationError
    from include.storage import actions

    if bool(keys) == all_refused:
        raise ConfigurationError("Say which records: their keys, or --all-refused.")
    name, which, person = link_named(link), entity_named(entity) or "", person_named(by)
    with database() as engine:
        if is_invoice(entity):
            done = (
                actions.reoffer_refused_invoices(engine, name, person=person, reason=reason)
                if all_refused
                else actions.reoffer_invoices(engine, name, keys or [], person=person, reason=reason)
            )
        elif all_refused:
            done = actions.reoffer_refused_records(engine, name, which, person=person, reason=reason)
        else:
            done = actions.reoffer_records(engine, name, which, keys or [], person=person, reason=reason)
    _print(done, as_json=json)


@told
def exclude(
    invoice: Annotated[
        str, typer.Argument(help="Number or InvoiceHeaderId of the invoice; id:N for one that no run has met yet.")
    ],
    reason: Annotated[str, typer.Option(help="Why it is not to be booked.")],
    link: LinkOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Never book an invoice, until somebody takes that back with `include`."""
    from functools import partial

    from include.bookings.batch_id import batch_id
    from include.settings.load import find_link
    from include.storage.actions import exclude_invoice

    settings, person = find_link(only_link(link)), person_named(by)
    minox = settings.minox
    batch_of = partial(batch_id, minox.tenant_id, minox.administration_id, settings.qms.company_id)
    with database() as engine:
        done = exclude_invoice(engine, settings.name, invoice, person=person, reason=reason, batch_of=batch_of)
    _print([done], as_json=json)


@told
def include(
    invoice: Annotated[str, typer.Argument(help="Number or InvoiceHeaderId of the invoice.")],
    reason: Annotated[str, typer.Option(help="Why it is to be booked after all.")],
    link: LinkOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> None:
    """Take an exclusion back: the next run looks at the invoice again."""
    from include.storage.actions import include_invoice

    name, person = link_named(link), person_named(by)
    with database() as engine:
        done = include_invoice(engine, name, invoice, person=person, reason=reason)
    _print([done], as_json=json)


def _print(done: list[Done], *, as_json: bool) -> None:
    """Say what was done."""
    if as_json:
        print_json(done)
        return
    for one in done:
        typer.echo(f"{one.entity} {one.name} {one.message}.")
    if not done:
        typer.echo("There is nothing to offer again.")
