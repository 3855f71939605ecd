"""What the demo says while it works, and at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.table import Table

from demo.environment import USERS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from demo.comparison import EntityResult, InvoiceResult
    from demo.places import Places

_MANY = 10


class Report:
    """Lines with the seconds since the start, and tables.

    Args:
        console: Where it goes.
        places: Addresses and paths.
    """

    def __init__(self, console: Console, places: Places) -> None:
        self._console = console
        self._places = places
        self._begin = time.monotonic()

    def step(self, text: str) -> None:
        """Say that something is done."""
        self._console.print(f"[dim]{time.monotonic() - self._begin:6.1f} s[/dim]  {text}")

    def title(self, text: str) -> None:
        """Begin a new part."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def task(self, task_id: str, state: str, seconds: float | None) -> None:
        """Say that a task has ended.

        Args:
            task_id: The task.
            state: Its state.
            seconds: How long it took.
        """
        colour = "green" if state == "success" else "red"
        self.step(f"{task_id:<22} [{colour}]{state}[/{colour}]  {seconds or 0:.1f} s")

    def progress(self, booked: int, known: int) -> None:
        """Say how far the bookings are."""
        self.step(f"… {booked} invoices booked, {known} looked at")

    def requests(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Say what a run asked of both systems.

        Args:
            counts: Reads and writes per system.
        """
        for name, (reads, writes) in counts.items():
            colour = "green" if writes == 0 else "red"
            self.step(f"{name}: {reads} requests that read, [{colour}]{writes} that write[/{colour}]")

    def comparison(self, entities: Sequence[EntityResult], invoices: InvoiceResult) -> bool:
        """Show both sides next to each other.

        Args:
            entities: The master data.
            invoices: The bookings.

        Returns:
            Whether everything is as it should be.
        """
        self.title("Both sides, as the sandbox tells")
        table = Table(box=None, pad_edge=False)
        table.add_column("")
        for heading in ("to bring over", "arrived"):
            table.add_column(heading, justify="right")
        table.add_column("not brought over, and why", no_wrap=True)
        for one in entities:
            table.add_row(one.entity, str(one.minox), str(one.arrived), _reasons(one.reasons))
        table.add_row("invoices", str(invoices.qms), str(invoices.booked), _reasons(invoices.outcomes))
        self._console.print(table)
        self._console.print(
            "Arrived: once, and with every coupled field right; an invoice: once, in balance to the cent, with QMS's "
            f"own total (together € {invoices.total:,.2f})."
        )
        faults = [fault for one in entities for fault in one.faults] + invoices.faults
        for fault in faults[:_MANY]:
            self._console.print(f"[red]{fault}[/red]")
        if len(faults) > _MANY:
            self._console.print(f"[red]… and {len(faults) - _MANY} more[/red]")
        return not faults

    def where_to_look(self, verdict: str) -> None:
        """Say where everything is.

        Args:
            verdict: How it went.
        """
        logins = " or ".join(f"{name} / {password} ({role})" for name, (password, role) in USERS.items())
        self._console.print(f"\n{verdict} It stays up:")
        for name, text in (
            ("Airflow", f"{self._places.airflow}   log in as {logins}; the Sync page is in its menu"),
            ("Minox", f"{self._places.minox}   what the sandbox's Minox holds"),
            ("QMS", f"{self._places.qms}   what the sandbox's QMS holds"),
            ("shell", f". {self._places.shell} && .venv/bin/minox-qms status"),
            ("logs", str(self._places.logs)),
            ("end", "make demo-down"),
        ):
            self._console.print(f"  {name:<8} {text}")


def _reasons(counts: Counter[str]) -> str:
    return "\n".join(f"{number} {reason}" for reason, number in sorted(counts.items()))
