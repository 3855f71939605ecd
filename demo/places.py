"""Where the demo keeps its things, and what its parts are called."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
HOME = PROJECT / ".local" / "demo"
HOST = "127.0.0.1"
LINK = "demo"
LINKS = PROJECT / "config" / "links"
COMPANY = "3"
"""The link's company in the sandbox's QMS."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Places:
    """Addresses and paths of one demo.

    Attributes:
        home: Directory of everything that the demo keeps.
        links: Directory of the link's file.
        rate_limit: Of the sandbox's Minox: calls/seconds, or `off`.
        airflow_port: Port of Airflow.
        minox_port: Port of the sandbox's Minox.
        qms_port: Port of the sandbox's QMS.
    """

    home: Path = HOME
    links: Path = LINKS
    rate_limit: str = "25/1"
    airflow_port: int = 8080
    minox_port: int = 8701
    qms_port: int = 8702

    @property
    def airflow(self) -> str:
        """Address of Airflow."""
        return f"http://{HOST}:{self.airflow_port}"

    @property
    def minox(self) -> str:
        """Address of the sandbox's Minox."""
        return f"http://{HOST}:{self.minox_port}"

    @property
    def qms(self) -> str:
        """Address of the sandbox's QMS."""
        return f"http://{HOST}:{self.qms_port}"

    @property
    def ports(self) -> dict[str, int]:
        """The ports, by the name of the option that changes them."""
        return {"AIRFLOW_PORT": self.airflow_port, "MINOX_PORT": self.minox_port, "QMS_PORT": self.qms_port}

    def remember_ports(self) -> None:
        """Write down which ports this demo uses, for `as_started`."""
        (self.home / "ports.json").write_text(json.dumps(self.ports))

    def as_started(self) -> Places:
        """The same, with the ports that the running demo was started with."""
        ports = json.loads((self.home / "ports.json").read_text())
        return replace(self, **{option.lower(): port for option, port in ports.items()})

    @property
    def processes(self) -> Path:
        """Directory of the files that say which processes run."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """Directory of the processes' logs."""
        return self.home / "log"

    @property
    def postgres(self) -> Path:
        """Data directory of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def shell(self) -> Path:
        """File with what the `minox-qms` command needs to look at the demo."""
        return self.home / "demo.env"
