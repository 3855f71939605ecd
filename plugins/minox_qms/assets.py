"""Airflow assets that other DAGs can be scheduled on: customers updated, invoices booked.

A task that changed nothing says nothing, and neither does a dry run: so a task's outlet is an alias, and the asset's
event is added when there is something to tell. The event's `extra` holds the number of records per outcome.

    DAG("dunning", schedule=[Asset("minox-qms://my_link/invoices/booked")], ...)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANGES = {"customers": ("created", "updated"), "invoices": ("booked",)}
"""Outcomes that are news, by entity."""


def asset_of(link: str, entity: str) -> Asset:
    """The asset of a link's customers or invoices.

    Args:
        link: Name of the link.
        entity: `customers` or `invoices`.
    """
    return Asset(f"minox-qms://{link}/{'invoices/booked' if entity == 'invoices' else entity}")


def outlet_of(link: str, entity: str) -> AssetAlias:
    """What a loading task declares as its outlet.

    Args:
        link: Name of the link.
        entity: `customers` or `invoices`.
    """
    return AssetAlias(name=asset_of(link, entity).uri, group="minox-qms")


def tell_change(context: Mapping[str, Any], link: str, entity: str, counts: Mapping[str, int]) -> bool:
    """Add the event of an asset when a run changed something.

    Args:
        context: Airflow's; without outlets (a task that is run by hand) nothing is told.
        link: Name of the link.
        entity: `customers` or `invoices`.
        counts: Number of records per outcome.

    Returns:
        Whether there was something to tell.
    """
    events = context.get("outlet_events")
    if events is None or not any(counts.get(outcome) for outcome in CHANGES[entity]):
        return False
    events[outlet_of(link, entity)].add(asset_of(link, entity), extra=dict(counts))
    return True
