"""How the commands end: 0 good, 1 technical failure, 2 wrong use; and always with a sentence, never a traceback."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeAlias, TypeVar

import typer

from include.errors import ConfigurationError, ConnectorError
from include.settings.load import link_files

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_FAILED = 1
EXIT_USAGE = 2

P = ParamSpec("P")
R = TypeVar("R")

LinkOption: TypeAlias = Annotated[
    str | None, typer.Option("--link", "-l", help="Name of the link; may be left out when there is only one.")
]


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Let a command end with the sentence of its error."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ConnectorError as error:
            typer.echo(f"minox-qms: {error}", err=True)
            code = EXIT_USAGE if isinstance(error, ConfigurationError) else EXIT_FAILED
            raise typer.Exit(code) from error

    return wrapped


def only_link(name: str | None) -> str:
    """The link that was named, or the only one.

    Raises:
        ConfigurationError: None was named, and there are several, or none.
    """
    if name is not None:
        return name
    names = [path.stem for path in link_files()]
    if len(names) == 1:
        return names[0]
    known = ", ".join(names) or "none"
    raise ConfigurationError(f"Say which link with --link; there are: {known}.")
