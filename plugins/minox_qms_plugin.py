"""Airflow plugin: the Sync page in the navigation, and as a tab on DAGs, runs and tasks; the staggered timetable."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from minox_qms.timetable import StaggeredTimetable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/minox-qms"


@functools.cache
def _app() -> ASGIApp:
    """Make the app at the first request: Airflow reads plugins in every one of its processes."""
    from minox_qms.page.app import create_app  # noqa: PLC0415 - see above

    return create_app()


async def sync_page(scope: Scope, receive: Receive, send: Send) -> None:
    """The Sync page as Airflow's API server calls it."""
    await _app()(scope, receive, send)


def _view(destination: str, route: str, path: str) -> dict[str, str]:
    """A place where Airflow shows the page; below a base address with a path, addresses begin with that path."""
    base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return {
        "name": "Sync",
        "href": f"{base}{PREFIX}{path}",
        "destination": destination,
        "url_route": route,
        "icon": f"{base}{PREFIX}/static/sync.svg",
        "icon_dark_mode": f"{base}{PREFIX}/static/sync-dark.svg",
    }


class MinoxQmsPlugin(AirflowPlugin):
    """What the connector adds to Airflow's own pages."""

    name = "minox_qms"
    timetables = [StaggeredTimetable]  # noqa: RUF012 - Airflow's convention
    fastapi_apps = [{"app": sync_page, "url_prefix": PREFIX, "name": "Sync"}]  # noqa: RUF012 - Airflow's convention
    external_views = [  # noqa: RUF012 - as above
        _view("nav", "minox-qms", "/"),
        _view("dag", "minox-qms-dag", "/dag/{DAG_ID}"),
        _view("dag_run", "minox-qms-run", "/dag/{DAG_ID}/run/{RUN_ID}"),
        _view("task_instance", "minox-qms-task", "/dag/{DAG_ID}/run/{RUN_ID}"),
    ]
