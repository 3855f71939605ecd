"""The environment that Airflow and the connector get in the demo."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
from typing import TYPE_CHECKING

from demo.places import HOST, PROJECT

if TYPE_CHECKING:
    import sqlalchemy as sa

    from demo.places import Places

USERS = {"admin": ("admin", "admin"), "eva": ("eva", "viewer")}
"""Password and role by name."""

_FOREIGN = ("AIRFLOW", "MINOX_QMS_", "PYTHONPATH", "_AIRFLOW")


def connections(places: Places) -> dict[str, dict[str, object]]:
    """The two Airflow connections of the demo's link, by their id.

    Args:
        places: Addresses and paths.

    Returns:
        Connections in the form of Airflow's API, without the id.
    """
    return {
        f"{system}_demo": {
            "conn_type": system,
            "host": url,
            "login": client,
            "password": "geheim",  # the sandbox's, as its documentation says
            "extra": json.dumps({"refresh_token": f"sandbox-{system}-refresh"}),
        }
        for system, url, client in (("minox", places.minox, "qics-connector"), ("qms", places.qms, "qms-connector"))
    }


def connection_variables(places: Places) -> dict[str, str]:
    """The same connections as environment variables, for processes that have no Airflow to ask."""
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(content) for name, content in connections(places).items()}


def connector(places: Places, database: sa.URL) -> dict[str, str]:
    """What the connector itself needs: its database, its home, its links, a key for stored tokens.

    Args:
        places: Addresses and paths.
        database: URL of the connector's database.

    Returns:
        Variables.
    """
    return {
        "MINOX_QMS_HOME": str(places.home),
        "MINOX_QMS_DATABASE_URL": database.render_as_string(hide_password=False),
        "MINOX_QMS_LINKS_DIR": str(places.links),
        "MINOX_QMS_FERNET_KEY": _key(),
    }


def airflow(places: Places, metadata: sa.URL) -> dict[str, str]:
    """What Airflow needs: quick, quiet, and on loopback only.

    Args:
        places: Addresses and paths.
        metadata: URL of Airflow's database.

    Returns:
        Variables.
    """
    database = metadata.render_as_string(hide_password=False)
    users = ",".join(f"{name}:{role}" for name, (_, role) in USERS.items())
    return {
        "AIRFLOW_HOME": str(places.home / "airflow"),
        "PYTHONPATH": str(PROJECT / "config"),  # airflow_local_settings.py
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__FERNET_KEY": _key(),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{places.airflow}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(places.home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database,  # else Airflow takes asyncpg, which nothing else needs
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(places.airflow_port),
        "AIRFLOW__API__BASE_URL": places.airflow,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(places.logs / "tasks"),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "GX_ANALYTICS_ENABLED": "false",
    }


def clean() -> dict[str, str]:
    """This process's environment without anything that is meant for another Airflow or another connector."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def write_passwords(places: Places) -> None:
    """Write the users' passwords where Airflow reads them."""
    path = places.home / "passwords.json"
    path.write_text(json.dumps({name: password for name, (password, _) in USERS.items()}))
    path.chmod(0o600)


def write_shell_file(places: Places, variables: dict[str, str]) -> None:
    """Write what a shell needs so that `minox-qms` looks at the demo.

    Args:
        places: Addresses and paths.
        variables: Those of the connector.
    """
    known = connection_variables(places) | {"AIRFLOW__API__BASE_URL": places.airflow}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in {**variables, **known}.items()]
    places.shell.touch(mode=0o600)
    places.shell.write_text("".join(lines))


def _key() -> str:
    """A new Fernet key; what was encrypted with the last demo's is gone with its databases."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
