"""From an error, or from what the database knows of a run, to the troubles that people are told of.

A killed task says nothing, and a run has several voices (the failing task, the task that closes the run, Airflow's own
word on the run). What each of them leads to is worked out from the same facts, so that they meet in one incident.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.alerts.incident import FAILED, GRANT, HELD, SETUP, Trouble
from include.errors import (
    AskedWronglyError,
    BatchHeldError,
    ConfigurationError,
    ConnectorError,
    GrantRefusedError,
    RunNotBegunError,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

CLOSING_TASK = "close_run"
UNEXPECTED = "Something unexpected happened; the technicians have to look at it."
WITHOUT_A_WORD = "A task of the run was killed, or died before it could say why."


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the database knows of a run that was not good.

    Attributes:
        message: What its closing task said; None when that did not come so far.
        failures: Why tasks failed, by task.
        entities: State and message of each entity, by name.
        refused: Connections of the link whose grant is not good, with what was said of it.
        dates: First and last invoice date of its range; None: it had none.
    """

    message: str | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    entities: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    dates: tuple[str | None, str | None] = (None, None)


def trouble_of_error(error: BaseException | str | None, task_id: str, connections: Mapping[str, str]) -> Trouble | None:
    """Say what trouble the error of a task is.

    Args:
        error: As Airflow hands it over; an error that is not retried has ours as its cause.
        task_id: The task.
        connections: Airflow connection of the link by system.

    Returns:
        The trouble; None when the error only repeats what went wrong before, or is not known.
    """
    ours = own_error(error)
    if isinstance(ours, GrantRefusedError):
        return Trouble(GRANT, ours.message, ours.detail, connections.get(ours.system, ""), task_id)
    if isinstance(ours, BatchHeldError):
        return Trouble(HELD, ours.message, ours.detail, task_id=task_id)
    if task_id.rpartition(".")[2] == CLOSING_TASK or error is None:
        return None
    if isinstance(ours, RunNotBegunError):  # the first task has said why, unless it was killed
        return Trouble(FAILED, ours.message, ours.detail, task_id=task_id, is_summary=True)
    if ours is not None:
        lasts = isinstance(ours, ConfigurationError) and not isinstance(ours, AskedWronglyError)
        kind = SETUP if lasts else FAILED
        return Trouble(kind, ours.message, " ".join(part for part in (ours.place, ours.detail) if part), "", task_id)
    name = error if isinstance(error, str) else type(error).__name__
    return Trouble(FAILED, UNEXPECTED, f"{name}; the log of the task says where", task_id=task_id)


def troubles_of_run(facts: RunFacts) -> list[Trouble]:
    """Say what troubles a run met that was not good, from what is known of it.

    A connection that is refused explains all the rest; a batch that is held explains its own entity.
    """
    if facts.refused:
        return [Trouble(GRANT, message, subject=conn_id) for conn_id, message in sorted(facts.refused.items())]
    held = {name: message or "" for name, (state, message) in facts.entities.items() if state == "held"}
    failed = {name: message or "failed" for name, (state, message) in facts.entities.items() if state == "failed"}
    tasks = {
        task_id: message
        for task_id, message in facts.failures.items()
        if task_id != CLOSING_TASK and not _explained(task_id, held)
    }
    troubles = []
    if held:
        troubles.append(Trouble(HELD, " ".join(held.values()), f"held: {', '.join(sorted(held))}"))
    if failed or tasks or not held:
        said = facts.message or "; ".join(f"{name}: {why}" for name, why in sorted(failed.items())) or WITHOUT_A_WORD
        detail = "; ".join(f"{task_id}: {why}" for task_id, why in sorted(tasks.items()))
        troubles.append(Trouble(FAILED, said, detail, task_id=min(tasks, default=None), is_summary=True))
    return troubles


def _explained(task_id: str, held: Mapping[str, str]) -> bool:
    """Tell whether a task failed because it held the batch: `customers.check`, or the only `check` of invoices."""
    entity, _, name = task_id.rpartition(".")
    return name == "check" and (entity or "invoices") in held


def reconcile_command(link: str, first: dt.date | str | None, last: dt.date | str | None) -> str:
    """The command that compares the invoices of a link's range of dates again, and lists the differences."""
    dates = "" if first is None else f" --from {first} --to {last}"
    return f"minox-qms reconcile --link {link}{dates}"


def own_error(error: BaseException | str | None) -> ConnectorError | None:
    """The connector's own error: the one given, or the cause of the one given."""
    if isinstance(error, ConnectorError):
        return error
    cause = error.__cause__ if isinstance(error, BaseException) else None
    return cause if isinstance(cause, ConnectorError) else None
