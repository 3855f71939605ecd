"""The command line of the demo: `python -m demo up|down`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from demo import up
from demo.places import DemoError, Places

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments; None takes those of the process.

    Returns:
        The exit code: 0 good, 1 not as it should be, 130 stopped by Ctrl-C.
    """
    default = Places()
    parser = argparse.ArgumentParser(prog="python -m demo", description=up.__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--airflow-port", type=int, default=default.airflow_port)
    parser.add_argument("--minox-port", type=int, default=default.minox_port)
    parser.add_argument("--qms-port", type=int, default=default.qms_port)
    parser.add_argument("--home", type=Path, default=default.home, help="directory of everything that it keeps")
    parser.add_argument("--links", type=Path, default=default.links, help="directory of the link's file, demo.yaml")
    parser.add_argument(
        "--rate-limit", default=default.rate_limit, help="of the sandbox's Minox: calls/seconds, or off"
    )
    options = vars(parser.parse_args(arguments))
    command = options.pop("command")
    places = Places(**options)
    console = Console(highlight=False, soft_wrap=True)
    try:
        if command == "down":
            up.end_demo(places, console)
            return 0
        return 0 if up.run_demo(places, console) else 1
    except DemoError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped; ending what was started.")
        up.end_demo(places, console)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
