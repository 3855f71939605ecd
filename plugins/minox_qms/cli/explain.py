"""`minox-qms explain`: where the values of one record come from."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minox_qms.cli.asking import JsonOption, link_named, reading
from minox_qms.cli.errors import LinkOption, told
from minox_qms.cli.output import moment, print_json, print_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from include.mapping.explain import Explained
    from include.mapping.mapper import Mapping
    from include.settings.link import LinkSettings
    from include.storage.stories import BindingRow, Staged
    from include.wire.minox import ItemGroup


@dataclass(frozen=True, slots=True)
class RecordStory:
    """One record of master data, explained.

    Attributes:
        entity: E.g. `customers`.
        source_key: Its key in Minox.
        staged: The copy that is explained.
        faults: Why it cannot be read; empty when it can.
        fields: Every coupled field with where its value comes from.
        binding: What is known of it in QMS.
    """

    entity: str
    source_key: str
    staged: Staged
    faults: list[str]
    fields: list[Explained]
    binding: BindingRow | None


@told
def explain(
    entity: Annotated[str, typer.Argument(help="Entity, by any of its names: customers, customer, CustomerCompany.")],
    key: Annotated[str, typer.Argument(help="Key of the record in Minox.")],
    link: LinkOption = None,
    json: JsonOption = False,
) -> None:
    """Show for one record of master data what each field of QMS gets, and where that comes from."""
    from include.mappings import find
    from include.settings.load import find_link

    settings, mapping = find_link(link_named(link)), find(entity)
    with reading() as connection:
        story = _story(connection, settings, mapping, key.strip())
    if json:
        print_json(story)
        return
    _print(story, mapping)


def _story(connection: sa.Connection, settings: LinkSettings, mapping: Mapping[Any], key: str) -> RecordStory:
    """Explain the latest staged copy of a record.

    Raises:
        ConfigurationError: Staging has no such record.
    """
    from include.errors import ConfigurationError
    from include.mapping.context import MappingContext
    from include.mapping.explain import explain as explain_record
    from include.storage.bindings import known_references
    from include.storage.stories import binding_of, latest_staged
    from include.wire.decode import decode_record

    staged = latest_staged(connection, settings.name, mapping.entity, key)
    if staged is None:
        message = f"No run of link {settings.name} has staged a record {key!r} of {mapping.entity} lately"
        raise ConfigurationError(f"{message}{_near(connection, settings.name, mapping.entity, key)}.")
    record, faults = decode_record(staged.raw.encode(), mapping.struct)
    fields: list[Explained] = []
    if record is not None:
        references = {row.to: known_references(connection, settings.name, row.to) for row in mapping.references}
        groups = _item_groups(connection, mapping, staged)
        fields = explain_record(mapping, record, MappingContext(settings.master_data, references, groups))
    return RecordStory(
        mapping.entity,
        key,
        staged,
        [f"{fault.field}: {fault.message}" for fault in faults],
        fields,
        binding_of(connection, settings.name, mapping.entity, key),
    )


def _near(connection: sa.Connection, link: str, entity: str, key: str) -> str:
    """Name keys that come near."""
    import sqlalchemy as sa

    from include.storage.nearby import near_ones
    from include.storage.tables import STAGING, sync_run

    table = STAGING[entity]
    known = sa.select(table.c.key).join(sync_run, sync_run.c.id == table.c.run)
    return near_ones(connection, known.where(sync_run.c.link == link), table.c.key, key)


def _item_groups(connection: sa.Connection, mapping: Mapping[Any], staged: Staged) -> dict[str, ItemGroup]:
    """The item groups that were staged by the same run, where the mapping needs them."""
    import sqlalchemy as sa

    from include.storage.tables import STAGING
    from include.wire.decode import decode_record
    from include.wire.minox import ItemGroup

    if not mapping.reads:
        return {}
    table = STAGING["item_groups"]
    rows = connection.execute(
        sa.select(table.c.key, sa.cast(table.c.raw, sa.Text)).where(
            table.c.run == staged.run, sa.not_(table.c.rejected)
        )
    )
    groups = {key: decode_record(raw.encode(), ItemGroup)[0] for key, raw in rows}
    return {key: group for key, group in groups.items() if group is not None}


def _print(story: RecordStory, mapping: Mapping[Any]) -> None:
    """Print an explained record."""
    staged = story.staged
    typer.echo(f"Minox {mapping.minox} {story.source_key} -> QMS {mapping.qms}")
    typer.echo(f"As read by run {staged.run} ({staged.run_id}) at {moment(staged.staged_at)}.")
    if not staged.is_latest:
        typer.echo("A later run did not find it: it is gone from Minox, and QMS's record is left alone.")
    for fault in story.faults:
        typer.echo(f"Cannot be read: {fault}")
    written = (story.binding.written if story.binding is not None else None) or {}
    print_table(
        "",
        ("field of QMS", "value", "from", "value there", "last written", "note"),
        (
            (one.target, one.value, _place(one), one.source_value, written.get(one.target), one.note)
            for one in story.fields
        ),
    )
    _print_binding(story.binding, mapping)


def _place(one: Explained) -> str:
    """Where a value comes from, with the place in the record that the path's first name stands for."""
    if not one.source_path:
        return "always the same"
    return f"{one.source_path} ({one.place})" if one.place else one.source_path


def _print_binding(known: BindingRow | None, mapping: Mapping[Any]) -> None:
    """Print what is known of the record in QMS."""
    if known is None:
        typer.echo("QMS has no such record that the connector knows of.")
        return
    if known.qms_id is not None:
        when = "" if known.written_at is None else f", last written or found equal {moment(known.written_at)}"
        typer.echo(f"In QMS: {mapping.key_field} {known.qms_id}{when}.")
    if known.refused_at is not None:
        typer.echo(f"Refused by QMS at {moment(known.refused_at)}: {known.refused_message}")
    if known.reoffer:
        typer.echo("It is offered again by the next run.")
