"""The `docker compose` of a machine without a container engine: `python -m tests.deploy.docker compose up --detach`.

It knows the options that the documentation uses, and refuses all others. It stands for the project in the working
directory, as Docker Compose does.
"""

from __future__ import annotations

import argparse
import os
import shlex
import stat
import sys
from pathlib import Path

from tests.deploy.compose import ComposeError
from tests.deploy.engine import CHECKOUT, Engine

REBUILT = ".engine/rebuilt"


def install(directory: Path) -> None:
    """Write a program `docker` that is this one.

    Args:
        directory: Where to; it goes on the PATH.
    """
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "docker"
    code = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from tests.deploy.docker import main; sys.exit(main())"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments; None takes those of the process.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    project = Path.cwd()
    try:
        return _do(options, project)
    except ComposeError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="docker")
    commands = parser.add_subparsers(required=True).add_parser("compose").add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("--detach", action="store_true", required=True)
    up.add_argument("--wait", action="store_true")
    up.add_argument("--scale", action="append", default=[])
    up.add_argument("services", nargs="*")
    commands.add_parser("build")
    commands.add_parser("ps")
    for name in ("stop", "logs"):
        commands.add_parser(name).add_argument("services", nargs="*")
    commands.add_parser("down")
    for name, flag in (("exec", "--no-TTY"), ("run", "--rm")):
        call = commands.add_parser(name)
        call.add_argument(flag, action="store_true", dest="flag")
        if name == "run":
            call.add_argument("--no-TTY", action="store_true", dest="no_tty")
        call.add_argument("service")
        call.add_argument("words", nargs=argparse.REMAINDER)
    return parser


def _do(options: argparse.Namespace, project: Path) -> int:
    if options.command == "build":
        (project / ".engine").mkdir(exist_ok=True)
        (project / REBUILT).touch()
        return 0
    engine = Engine(project)
    if options.command == "up":
        scale = {name: int(number) for name, _, number in (text.partition("=") for text in options.scale)}
        engine.up(options.services or None, scale, recreate=(project / REBUILT).exists())
        (project / REBUILT).unlink(missing_ok=True)
        if options.wait:
            engine.wait()
        return 0
    if options.command in {"exec", "run"}:
        return _call(options, engine)
    names = sorted(engine.running(), reverse=True)
    if options.command == "ps":
        sys.stdout.writelines(f"{name}\trunning\n" for name in names)
    elif options.command == "down":
        engine.down()
    else:
        chosen = [name for name in names if not options.services or name.rpartition("-")[0] in options.services]
        if options.command == "stop":
            engine.stop(chosen)
        else:
            sys.stdout.writelines((engine.logs / f"{name}.log").read_text(errors="replace") for name in chosen)
    return 0


def _call(options: argparse.Namespace, engine: Engine) -> int:
    container = engine.container(options.service)
    if options.command == "exec":
        if container.name not in engine.running():
            raise ComposeError(f'service "{options.service}" is not running')
        if not options.flag and any(stat.S_ISREG(os.fstat(stream).st_mode) for stream in (0, 1)):
            raise ComposeError("the input device is not a TTY")  # which would spoil the file; not all releases look
        return engine.call(container, options.words)
    if not options.flag:
        raise ComposeError("a container would be left behind: give --rm")
    engine.up(container.service.waits_for)
    return engine.call(engine.container(options.service, 9), options.words)


if __name__ == "__main__":
    sys.exit(main())
