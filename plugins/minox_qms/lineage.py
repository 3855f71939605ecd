"""Names of what a task reads and writes, for OpenLineage.

| what | namespace | name |
|---|---|---|
| a collection of Minox | `minox://app.minox.nl` | `123456/1/customer` |
| an entity of QMS | `qms://qicsmilestones.qics.nl` | `3/CustomerCompany` |
| a table of the connector | `postgres://host:5432` | `minox_qms.public.staging_customers` |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.providers.openlineage.extractors.base import OperatorLineage

    from include.settings.link import LinkSettings

POSTGRES_PORT = 5432
BATCHES = "transaction_line_batch"
INVOICE_TABLES = ("invoices", "invoice_totals", "invoice_lines")
INVOICE_ENTITIES = ("EntityChange", "OverviewInvoice", "Invoice", "OverviewInvoiceLine")


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset, by the names that OpenLineage knows it by."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Flow:
    """What a task has read and written."""

    inputs: tuple[Dataset, ...] = field(default=())
    outputs: tuple[Dataset, ...] = field(default=())

    def as_openlineage(self) -> OperatorLineage[Any, Any]:
        """Return it in the form that Airflow's OpenLineage provider reads."""
        from airflow.providers.openlineage.extractors.base import OperatorLineage  # noqa: PLC0415 - optional, and slow
        from openlineage.client.event_v2 import Dataset as Known  # noqa: PLC0415 - as above

        return OperatorLineage(
            inputs=[Known(namespace=one.namespace, name=one.name) for one in self.inputs],
            outputs=[Known(namespace=one.namespace, name=one.name) for one in self.outputs],
        )


def minox_collection(base_url: str, settings: LinkSettings, collection: str) -> Dataset:
    """Name a collection of the link's administration.

    Args:
        base_url: Of the Airflow connection.
        settings: The link's.
        collection: As Minox names it, e.g. `customer`.
    """
    place = f"{settings.minox.tenant_id}/{settings.minox.administration_id}"
    return Dataset(f"minox://{urlsplit(base_url).netloc}", f"{place}/{collection}")


def qms_entity(base_url: str, settings: LinkSettings, entity: str) -> Dataset:
    """Name an entity of the link's company.

    Args:
        base_url: Of the Airflow connection.
        settings: The link's.
        entity: As QMS names it, e.g. `CustomerCompany`.
    """
    return Dataset(f"qms://{urlsplit(base_url).netloc}", f"{settings.qms.company_id}/{entity}")


def staging_table(url: sa.URL, entity: str) -> Dataset:
    """Name a staging table.

    Args:
        url: Of the connector's database; one behind a socket is named by this machine.
        entity: E.g. `customers`.
    """
    host = url.host or "localhost"
    return Dataset(f"postgres://{host}:{url.port or POSTGRES_PORT}", f"{url.database or ''}.public.staging_{entity}")
