"""The demo's Airflow: its components, and its API."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import requests

from demo import processes
from demo.environment import USERS, connections
from demo.places import HOST, LINK, PROJECT, DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.places import Places

DAGS = (f"minox_master_data__{LINK}", f"qms_invoices__{LINK}")
COMPONENTS = {
    "api-server": ["api-server", "--host", HOST],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
"""Airflow's commands. The log servers would listen on all addresses; here the API server reads the files itself."""

START_SECONDS = 180
RUN_SECONDS = 900
_POLL = 0.5
_ENDED = ("success", "failed")


def start(places: Places, environment: Mapping[str, str]) -> None:
    """Start the components one by one; `wait_until_healthy` waits for them.

    Args:
        places: Addresses and paths.
        environment: For Airflow.
    """
    for name, command in COMPONENTS.items():
        processes.start(
            name,
            [sys.executable, "-m", "airflow", *command],
            environment,
            files=places.processes,
            logs=places.logs,
            directory=PROJECT,
        )


class Airflow:
    """Airflow's REST API, for somebody who has logged in as `admin`.

    Args:
        url: Address of Airflow.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands before loopback

    def wait_until_healthy(self, places: Places) -> None:
        """Wait until all components are healthy and the DAGs are known, and log in.

        Args:
            places: Where the processes and logs are.

        Raises:
            DemoError: A component has ended, or it takes too long.
        """
        end = time.monotonic() + START_SECONDS
        logged_in = False
        while time.monotonic() < end:
            dead = [one.name for one in processes.known(places.processes) if not one.is_alive]
            if dead:
                raise DemoError(f"{dead[0]} has ended; its log is {places.logs / dead[0]}.log")
            if self._is_healthy():
                if not logged_in:
                    self._log_in()
                    logged_in = True
                if set(DAGS) <= {dag["dag_id"] for dag in self._get("dags", limit=100)["dags"]}:
                    return
            time.sleep(_POLL)
        raise DemoError(f"Airflow was not ready after {START_SECONDS} seconds; its logs are in {places.logs}")

    def add_connections(self, places: Places) -> None:
        """Make the connections of the demo's link, so that they can be seen and changed in Airflow."""
        for conn_id, content in connections(places).items():
            self._send("POST", "connections", {"connection_id": conn_id, **content})

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run on its schedule; Airflow starts the run of the last interval by itself."""
        self._send("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run by hand.

        Args:
            dag_id: The DAG.
            conf: The run's params.

        Returns:
            The run's id.
        """
        made = self._send("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        return str(made["dag_run_id"])

    def first_scheduled_run(self, dag_id: str, patience: float = 10) -> str | None:
        """Wait for the run that Airflow makes when a DAG is unpaused.

        Args:
            dag_id: The DAG.
            patience: Seconds to wait for it.

        Returns:
            The run's id; None when there is none.
        """
        end = time.monotonic() + patience
        while time.monotonic() < end:
            runs = self._get(f"dags/{dag_id}/dagRuns")["dag_runs"]
            if runs:
                return str(runs[0]["dag_run_id"])
            time.sleep(_POLL)
        return None

    def follow(self, dag_id: str, run_id: str) -> Iterator[tuple[str, str, float | None] | None]:
        """Follow a run to its end.

        Args:
            dag_id: The DAG.
            run_id: The run.

        Yields:
            Task, state and seconds of every task that has come to its end; None whenever there is nothing new.

        Raises:
            DemoError: The run failed, or takes too long.
        """
        told: set[str] = set()
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            state = self._get(f"dags/{dag_id}/dagRuns/{run_id}")["state"]
            tasks = self._get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
            ended = [one for one in tasks if one["state"] in {*_ENDED, "upstream_failed", "skipped"}]
            for one in sorted(ended, key=lambda task: str(task["end_date"])):
                if one["task_id"] not in told:
                    told.add(one["task_id"])
                    yield one["task_id"], one["state"], one["duration"]
            if state in _ENDED:
                if state == "failed":
                    raise DemoError(f"The run {run_id} of {dag_id} failed; see {self._url}/dags/{dag_id}/runs/{run_id}")
                return
            yield None
            time.sleep(_POLL)
        raise DemoError(f"The run {run_id} of {dag_id} was not over after {RUN_SECONDS} seconds")

    def _is_healthy(self) -> bool:
        try:
            answer = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=5)
            states = answer.json() if answer.ok else {}
        except (requests.RequestException, ValueError):
            return False
        needed = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all((states.get(name) or {}).get("status") == "healthy" for name in needed)

    def _log_in(self) -> None:
        name = "admin"
        made = self._session.post(
            f"{self._url}/auth/token", json={"username": name, "password": USERS[name][0]}, timeout=30
        )
        made.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {made.json()['access_token']}"

    def _get(self, path: str, **query: Any) -> Any:
        answer = self._session.get(f"{self._url}/api/v2/{path}", params=query, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def _send(self, method: str, path: str, body: Any) -> Any:
        answer = self._session.request(method, f"{self._url}/api/v2/{path}", json=body, timeout=30)
        if not answer.ok:
            raise DemoError(f"Airflow refused {method} {path} ({answer.status_code}): {answer.text[:300]}")
        return answer.json()
