"""The command line of the stand-ins: `python -m sandbox minox|qms|up`."""

from __future__ import annotations

import argparse
import sys

from sandbox.common.config import Config, RateLimit
from sandbox.server import PORTS, serve, stop_when_stdin_closes
from sandbox.supervisor import run

_SWITCHES = {
    "--ids-as-text": "Minox writes whole-number ids as text",
    "--rfc3339-dates": "Minox writes dates as RFC 3339 instants",
    "--full-urls": "links.next of Minox is a full URL in place of a cursor",
    "--no-retry-after": "Minox's 429 comes without Retry-After",
    "--put-answers-row": "PUT of QMS answers 200 with the row in place of 204",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments; None takes those of the process.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Stand-ins for Minox and QicsMilestones")
    commands = parser.add_subparsers(dest="command", required=True)
    for system, port in PORTS.items():
        command = commands.add_parser(system, help=f"run the stand-in for {system}")
        command.add_argument("--port", type=int, default=port)
        command.add_argument("--until-stdin-closes", action="store_true", help="end when the standard input does")
        _add_flags(command)
    both = commands.add_parser("up", help="run both as child processes")
    for system, port in PORTS.items():
        both.add_argument(f"--{system}-port", type=int, default=port)
    _add_flags(both)
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    if options.command == "up":
        return run({system: getattr(options, f"{system}_port") for system in PORTS}, _flags_of(options))
    if options.until_stdin_closes:
        stop_when_stdin_closes()
    serve(options.command, options.port, _config(options))
    return 0


def _rate(text: str) -> str:
    RateLimit.parse(text)
    return text


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more is expected")
    return number


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", default="demo", help="demo, empty, generated:customers=…,…, or a JSON file")
    parser.add_argument("--seed", type=int, default=1, help="of the made-up data")
    parser.add_argument("--page-size", type=_at_least_one, default=100)
    parser.add_argument("--rate-limit", type=_rate, default="5/1", help="of Minox: calls/seconds, or off")
    parser.add_argument("--token-seconds", type=_at_least_one, default=None, help="life of an access token")
    for flag, text in _SWITCHES.items():
        parser.add_argument(flag, action="store_true", help=text)


def _flags_of(options: argparse.Namespace) -> list[str]:
    valued = ("dataset", "seed", "page_size", "rate_limit", "token_seconds")
    pairs = [(f"--{name.replace('_', '-')}", getattr(options, name)) for name in valued]
    words = [word for flag, value in pairs if value is not None for word in (flag, str(value))]
    return words + [flag for flag in _SWITCHES if getattr(options, flag[2:].replace("-", "_"))]


def _config(options: argparse.Namespace) -> Config:
    return Config(
        dataset=options.dataset,
        seed=options.seed,
        page_size=options.page_size,
        rate_limit=options.rate_limit,
        retry_after=not options.no_retry_after,
        token_seconds=options.token_seconds,
        ids_as_text=options.ids_as_text,
        rfc3339_dates=options.rfc3339_dates,
        full_urls=options.full_urls,
        put_answers_row=options.put_answers_row,
    )


if __name__ == "__main__":
    sys.exit(main())
