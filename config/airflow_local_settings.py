"""Airflow's local settings: load once, in the processes that tasks are forked from, what the tasks need.

Importing Great Expectations takes seconds. The scheduler (LocalExecutor) and the Celery worker fork their tasks, which
then find it loaded. Airflow imports this module when it starts, from `$AIRFLOW_HOME/config` or the Python path.
"""

# ruff: noqa: INP001 - Airflow imports it by its bare name
from __future__ import annotations

import importlib
import sys

FORKING = ("scheduler", "worker")
"""Airflow's commands whose processes tasks are forked from: `airflow scheduler`, `airflow celery worker`."""

PRELOADED = ("great_expectations", "great_expectations.expectations", "minox_qms.wiring")

if any(command in sys.argv[1:3] for command in FORKING):
    for name in PRELOADED:
        importlib.import_module(name)
