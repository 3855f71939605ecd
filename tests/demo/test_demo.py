"""The demo as one sees it: started, looked at, started again, ended; in a real Airflow."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import requests
import yaml

from demo.places import LINKS, PROJECT, Places
from demo.processes import known
from tests.docs.commands import documented

LIMIT = 900
"""Seconds for the whole demo on a slow machine; it takes two minutes on two cores."""


@dataclass
class Demo:
    """A demo that is up.

    Attributes:
        places: Its addresses and paths.
        options: Options that name them.
        output: What it said.
        code: Its exit code.
        sockets: Addresses that its processes listen on.
    """

    places: Places
    options: list[str]
    output: str
    code: int
    sockets: set[tuple[str, int]]

    @classmethod
    def start(cls, home: Path) -> Demo:
        ports = free_ports(3)
        places = Places(home, home / "links", "off", *ports)
        options = ["--home", str(home), "--links", str(places.links), "--rate-limit", places.rate_limit]
        for name, port in zip(("--airflow-port", "--minox-port", "--qms-port"), ports, strict=True):
            options += [name, str(port)]
        places.links.mkdir()
        link = yaml.safe_load((LINKS / "demo.yaml").read_text(encoding="utf-8"))
        link["minox"]["requests_per_second"] = 1000
        (places.links / "demo.yaml").write_text(yaml.safe_dump(link), encoding="utf-8")
        code, output = call("up", *options)
        return cls(places, options, output, code, listening(places))


def call(command: str, *options: str) -> tuple[int, str]:
    """Run a command of the demo; its exit code, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "demo", command, *options],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    return done.returncode, done.stdout


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def listening(places: Places) -> set[tuple[str, int]]:
    """Addresses that the demo's processes listen on."""
    members = [pid for process in known(places.processes) for pid in process.members()]
    found = [one for pid in members for one in psutil.Process(pid).net_connections("inet")]
    return {(one.laddr.ip, one.laddr.port) for one in found if one.status == psutil.CONN_LISTEN}


def token(demo: Demo, name: str) -> dict[str, str]:
    answer = requests.post(f"{demo.places.airflow}/auth/token", json={"username": name, "password": name}, timeout=30)
    assert answer.status_code == 201
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_everything_arrives_and_a_second_run_writes_nothing(demo: Demo) -> None:
    assert demo.code == 0, demo.output
    assert "Everything is as it should be" in demo.output
    assert demo.output.count(" 0 that write") == 2


def test_it_says_where_to_look(demo: Demo) -> None:
    for text in (demo.places.airflow, demo.places.minox, demo.places.qms, "admin / admin", "make demo-down"):
        assert text in demo.output


def test_it_listens_on_loopback_only(demo: Demo) -> None:
    assert {port for _, port in demo.sockets} == set(demo.places.ports.values())
    assert {address for address, _ in demo.sockets} == {"127.0.0.1"}


def test_users_are_an_admin_and_a_viewer(demo: Demo) -> None:
    dag = f"{demo.places.airflow}/api/v2/dags/minox_master_data__demo"
    assert requests.get(dag, timeout=30).status_code == 401
    eva, admin = token(demo, "eva"), token(demo, "admin")
    assert requests.get(dag, headers=eva, timeout=30).json()["is_paused"] is False
    run = {"logical_date": None}
    assert requests.post(f"{dag}/dagRuns", json=run, headers=eva, timeout=30).status_code == 403
    connections = requests.get(f"{demo.places.airflow}/api/v2/connections", headers=admin, timeout=30).json()
    assert {one["connection_id"] for one in connections["connections"]} == {"minox_demo", "qms_demo"}


def test_starting_it_again_only_says_where_to_look(demo: Demo) -> None:
    before = known(demo.places.processes)
    code, output = call("up", "--home", str(demo.places.home))
    assert code == 0
    assert "is up already" in output
    assert demo.places.airflow in output
    assert known(demo.places.processes) == before


def test_a_shell_looks_at_it_with_its_file(demo: Demo) -> None:
    lines = [
        documented("README.md", ". .local"),
        documented("README.md", ".venv/bin/minox-qms status"),
        documented("README.md", ".venv/bin/minox-qms rejections"),
        documented("README.md", ".venv/bin/minox-qms invoice"),
    ]
    text = "\n".join(lines).replace(".local/demo/demo.env", str(demo.places.shell))
    done = subprocess.run(
        ["bash", "-euc", text.replace(".venv/bin", str(Path(sys.executable).parent))],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "qms_to_minox: run" in done.stdout
    assert "347 booked" in done.stdout
    assert "missing_customer_code" in done.stdout
    assert "F2026-0012" in done.stdout


def test_ending_it_leaves_nothing_running(demo: Demo) -> None:
    processes = known(demo.places.processes)
    assert len(processes) == 5
    code, output = call("down", "--home", str(demo.places.home))
    # a scheduler whose tasks are at work just then takes its time, and may have to be killed
    assert (code, output.splitlines()[-1]) == (0, "The demo is down (5 processes ended).")
    assert [process.members() for process in processes] == [[]] * 5
    assert not (demo.places.postgres / "postmaster.pid").exists()
    assert call("down", "--home", str(demo.places.home)) == (0, "The demo is down.\n")
