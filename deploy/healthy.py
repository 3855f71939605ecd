"""Health check of a container: does Airflow's API server know this component as healthy?

`python deploy/healthy.py scheduler`; the components are metadatabase, scheduler, triggerer and dag_processor. It asks
the API server because Airflow's own check starts a whole Airflow, which costs seconds of CPU each time.
"""
# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import json
import os
import sys
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import urlopen

DEFAULT = "http://api-server:8080"
TIMEOUT = 10


def is_healthy(component: str, server: str) -> bool:
    """Ask for the health of a component.

    Args:
        component: As Airflow's health page names it.
        server: Address of the API server.

    Returns:
        Whether the API server answers, and calls it healthy.
    """
    try:
        with urlopen(f"{server}/api/v2/monitor/health", timeout=TIMEOUT) as answer:  # noqa: S310 - our own server
            states = json.load(answer)
    except (URLError, OSError, HTTPException, ValueError):
        return False
    state = states.get(component) if isinstance(states, dict) else None
    return isinstance(state, dict) and state.get("status") == "healthy"


if __name__ == "__main__":
    sys.exit(0 if is_healthy(sys.argv[1], os.environ.get("AIRFLOW_SERVER", DEFAULT)) else 1)
