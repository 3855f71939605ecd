"""What the tests of master data share: a world that is cleared for each, and small records of both systems."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from include.mappings import MASTER_DATA
from include.storage.engine import engine
from minox_qms.hooks import http, oauth
from tests.database import empty_tables
from tests.world import World, a_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from tests.world import Ran, System

Row = dict[str, Any]
OWN, OTHER = "3", "4"
ALL_OFF = {"vat_codes": False, "cost_centers": False, "payment_terms": False, "items": False}


@contextmanager
def shared_world(directory: Path, database: sa.Engine, **modes: Any) -> Iterator[World]:
    """A world for all tests of a module; each begins with `cleared`."""
    with pytest.MonkeyPatch.context() as monkeypatch, a_world(directory, database, monkeypatch, **modes) as world:
        yield world


def cleared(world: World) -> World:
    """Make a world as new: no master data on either side, nothing in the bookkeeping, only customers switched on."""
    for system in (world.minox, world.qms):
        system.control("POST", "reset")
    world.minox.control("POST", "modes", {"page_size": 100, "ids_as_text": False})
    empty_tables(world.database, but=("oauth_grant",))  # the connections' grants stay good
    only(world)
    return world


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients give up after two attempts, without pauses to speak of."""
    quick = partial(http.Limits, attempts=2, waits=3, backoff=0.01, wait_cap=1)
    assert oauth.TOKEN_LIMITS.attempts == 3  # has been made already, so that it keeps its own
    monkeypatch.setattr(http, "Limits", quick)


def only(world: World, *entities: str, **master_data: Any) -> None:
    """Switch on these entities (customers always are), with these settings."""
    switches = {name: name in entities for name in ALL_OFF}
    world.configure(master_data={"entities": switches, **master_data})


# -- records of Minox --------------------------------------------------------------------------------------------------


def vat(
    key: Any = 1, description: str = "BTW hoog", percentage: Any = 21, kind: str = "Af te dragen", **more: Any
) -> Row:
    return {"id": key, "description": description, "percentage": percentage, "type": kind, **more}


def cost_center(key: Any = 110, description: str = "Advies", **more: Any) -> Row:
    return {"id": key, "description": description, **more}


def payment_term(key: Any = 30, description: str = "30 dagen", days: Any = 30, **more: Any) -> Row:
    return {"id": key, "description": description, "days": days, **more}


def item_group(key: Any = 10, account: Any = 8000, **more: Any) -> Row:
    return {
        "id": key,
        "description": "Uren",
        "ledger_accounts": {"sales_revenue_nl": None if account is None else {"id": account}},
        **more,
    }


def item(key: Any = "ADV", description: str = "Advies", *, vat_code: Any = None, group: Any = None, **more: Any) -> Row:
    return {
        "id": key,
        "description": description,
        "vat": None if vat_code is None else {"id": vat_code},
        "item_group": None if group is None else {"id": group},
        "unit_packaging": "uur",
        "blocked": False,
        **more,
    }


def customer(key: Any = 10001, name: Any = "Jansen B.V.", *, term: Any = None, **more: Any) -> Row:
    return {
        "id": key,
        "addresses": [
            {
                "address_type": "postal",
                "name": name,
                "contact_name": "S. Jansen",
                "streetname_and_number": "Postbus 12",
                "postal_code": "3500 AA",
                "city": "Utrecht",
                "country_code": "NL",
                "phone_numbers": [{"phone_number": "030-1234567"}],
                "email_addresses": [{"email_address": "adm@jansen.example"}],
            }
        ],
        "payment_term": None if term is None else {"id": term},
        "blocked": {"active": False, "reason": ""},
        "chamber_of_commerce": "30123456",
        **more,
    }


# -- looking and changing ----------------------------------------------------------------------------------------------


def give(world: World, entity: str, *rows: Row) -> None:
    """Add records to a list of Minox (`vat`, `customer`, …)."""
    world.minox.edit({"entity": entity, "add": list(rows)})


def change(world: World, entity: str, key: Any, **fields: Any) -> None:
    """Change fields of a record of Minox."""
    world.minox.edit({"entity": entity, "update": [{"id": key, **fields}]})


def take_away(world: World, entity: str, *keys: Any) -> None:
    """Delete records of Minox."""
    world.minox.edit({"entity": entity, "delete": list(keys)})


def qms_rows(world: World, entity: str, company: str = OWN) -> list[Row]:
    """Rows of QMS of one company."""
    return [row for row in world.qms.state.get(entity, []) if row.get("CompanyId") == company]


def qms_row(world: World, entity: str, code: str) -> Row:
    """The one row of the link's company with this code."""
    (found,) = [row for row in qms_rows(world, entity) if row[code_field(entity)] == code]
    return found


def code_field(entity: str) -> str:
    return next(one.code_field for one in MASTER_DATA.values() if one.qms == entity)


def put_in_qms(world: World, entity: str, *rows: Row) -> None:
    """Add rows to QMS, as its users do."""
    world.qms.edit({"entity": entity, "add": [{"CompanyId": OWN, **row} for row in rows]})


def change_in_qms(world: World, entity: str, row: Row, **fields: Any) -> None:
    """Change a row of QMS, as its users do."""
    key = f"{entity}Id"
    world.qms.edit({"entity": entity, "update": [{key: row[key], **fields}]})


def forget(world: World) -> None:
    """Forget the requests so far."""
    for system in (world.minox, world.qms):
        system.forget_requests()


def reads_of(system: System) -> list[str]:
    """Names of the lists and rows that were read, in order."""
    return [one["path"].rsplit("/", 1)[-1] for one in system.requests("GET")]


def good(ran: Ran) -> Ran:
    """Insist that every task of a run was good."""
    assert ran.is_good, {name: str(error) for name, error in ran.tasks.items() if error is not None}
    return ran


def conserved(world: World, ran: Ran) -> None:
    """Insist that extracted is the sum of the outcomes, in both ways that they can be counted."""
    extracted = world.rows(
        "SELECT e.entity, e.extracted FROM sync_run_entity e JOIN sync_run r ON r.id = e.run WHERE r.run_id = :run",
        run=ran.run_id,
    )
    assert {entity: number for entity, number in extracted if number} == {
        entity: sum(by_outcome.values()) for entity, by_outcome in ran.counts.items()
    }
    doubles = "SELECT count(*) - count(DISTINCT (entity, source_key)) FROM sync_outcomes WHERE run_id = :run"
    assert world.scalar(doubles, run=ran.run_id) == 0


def outcome(world: World, ran: Ran, entity: str, key: Any) -> tuple[Any, ...]:
    """Outcome, reason and message of one record in a run."""
    return tuple(world.outcomes(ran)[(entity, str(key))])


def told(world: World) -> list[Row]:
    """What QMS was told of debtors (EntityState)."""
    return list(world.qms.state["EntityState"])


def run_apart(directory: str, run_id: str) -> None:
    """Run the master data in a process of its own, on the settings and the database of the environment."""
    ExecutorSafeguard.test_mode = True
    world = World.__new__(World)
    world.directory = Path(directory)
    world.database = engine()
    world.run_master_data(run_id=run_id)
