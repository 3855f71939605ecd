"""What a run was asked: its parameters, by the names that its DAG has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import AskedWronglyError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def asked(context: Mapping[str, Any], known: Collection[str]) -> Mapping[str, Any]:
    """Return the parameters of a run, refusing a name that its DAG does not have.

    Airflow takes any: a mistyped `dry_run` would pass unseen, and the run would write.

    Args:
        context: Airflow's.
        known: Names of the DAG's parameters.

    Raises:
        AskedWronglyError: The run was given another one.
    """
    given = getattr(context.get("dag_run"), "conf", None) or {}
    unknown = sorted(set(given).difference(known))
    if unknown:
        names = ", ".join(repr(one) for one in unknown)
        raise AskedWronglyError(f"A run has no parameter {names}; known: {', '.join(sorted(known))}.")
    params: Mapping[str, Any] = context["params"]
    return params
