"""Both stand-ins as real processes, over real connections."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.support import CREDENTIALS, ODATA, TOKEN_PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def call(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def bearer(system: str, port: int) -> str:
    body = {"grant_type": "refresh_token", "refresh_token": f"sandbox-{system}-refresh"} | CREDENTIALS[system]
    status, text = call(port, "POST", TOKEN_PATHS[system], body)
    assert status == 200
    return f"Bearer {json.loads(text)['access_token']}"


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    chosen = {"minox": free_port(), "qms": free_port()}
    flags = [f"--{system}-port={port}" for system, port in chosen.items()]
    command = [sys.executable, "-m", "sandbox", "up", *flags, "--dataset", "demo", "--page-size", "50"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in chosen]
        assert told == [f"{system}: http://127.0.0.1:{port}" for system, port in chosen.items()]
        yield chosen
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not any(listens(port) for port in chosen.values()), "a child is still there"


def test_both_answer_with_their_flags(ports: dict[str, int]) -> None:
    for system, path in (
        ("minox", "/api/1/tenant/123456/administration/1/customer"),
        ("qms", f"{ODATA}/Invoice"),
    ):
        status, text = call(ports[system], "GET", path, Authorization=bearer(system, ports[system]))
        assert status == 200
        assert len(json.loads(text)["collection" if system == "minox" else "value"]) == 50


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ("drop", (http.client.RemoteDisconnected, ConnectionResetError)),
        ("apply-then-drop", (http.client.RemoteDisconnected, ConnectionResetError)),
        ("truncate", (http.client.IncompleteRead, ConnectionResetError)),
    ],
)
def test_a_connection_is_really_lost(ports: dict[str, int], action: str, problem: tuple[type[Exception], ...]) -> None:
    port = ports["qms"]
    call(port, "POST", "/_sandbox/reset")
    authorization = bearer("qms", port)
    call(port, "POST", "/_sandbox/faults", {"path": "CostCenter", "action": action})
    body = {"CompanyId": "3", "Code": f"new-{action}", "Name": "Nieuw"}
    with pytest.raises(problem):
        call(port, "POST", f"{ODATA}/CostCenter", body, Authorization=authorization)
    status, text = call(port, "GET", f"{ODATA}/CostCenter", Authorization=authorization)
    assert status == 200
    assert (body["Code"] in [row["Code"] for row in json.loads(text)["value"]]) == (action != "drop")


def test_a_port_that_is_taken_ends_both() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        flags = ["--dataset", "empty", f"--qms-port={taken}", f"--minox-port={free_port()}"]
        command = [sys.executable, "-m", "sandbox", "up", *flags]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"qms did not start on port {taken}" in ended.stderr


@pytest.mark.parametrize("flags", [["--page-size", "0"], ["--rate-limit", "5"], ["--token-seconds", "x"]])
def test_a_flag_that_cannot_be_read(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from sandbox.__main__ import main  # noqa: PLC0415 - a command line, not a library

    with pytest.raises(SystemExit) as ended:
        main(["minox", *flags])
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_both_end_when_the_one_who_started_them_is_killed() -> None:
    chosen = {"minox": free_port(), "qms": free_port()}
    flags = [f"--{system}-port={port}" for system, port in chosen.items()]
    command = [sys.executable, "-m", "sandbox", "up", *flags, "--dataset", "empty"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert len([process.stdout.readline() for _ in chosen]) == 2
        process.kill()
    end = time.monotonic() + 60
    while any(listens(port) for port in chosen.values()) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(listens(port) for port in chosen.values())
