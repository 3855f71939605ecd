"""Airflow's local settings: load once, in the processes that tasks are forked from, what the tasks need.

Importing Great Expectations takes seconds, and the operators half a second. The scheduler (with LocalExecutor) and the
Celery worker fork their tasks, which then find them loaded. Airflow imports this module when it starts, from
`$AIRFLOW_HOME/config` or the Python path.
"""
# ruff: noqa: INP001 - Airflow imports it by its bare name

from __future__ import annotations

import importlib
import pkgutil
import sys

from airflow.configuration import conf

PRELOADED = ("great_expectations", "great_expectations.expectations", "minox_qms.wiring", "alembic.command", "psycopg")
OPERATORS = "minox_qms.operators"
"""What the DAG files import; without it every task pays for that anew, half a second of the processor."""


def forks_tasks(command: list[str], executor: str) -> bool:
    """Tell whether tasks are forked from the process of an Airflow command.

    Args:
        command: The command line, the program first.
        executor: Airflow's executor.

    Returns:
        True for `airflow celery worker`, and for `airflow scheduler` when it runs the tasks itself.
    """
    if command[1:3] == ["celery", "worker"]:
        return True
    return command[1:2] == ["scheduler"] and "LocalExecutor" in executor


if forks_tasks(sys.argv, conf.get("core", "executor")):
    package = importlib.import_module(OPERATORS)
    for name in (*PRELOADED, *(f"{OPERATORS}.{module.name}" for module in pkgutil.iter_modules(package.__path__))):
        importlib.import_module(name)
