"""`minox-qms connect`: sign in at Minox or QMS from a server without a browser."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that the others start without it

from __future__ import annotations

import secrets
from typing import Annotated, Literal

import typer

from minox_qms.cli.asking import ByOption, database, link_named, person_named
from minox_qms.cli.errors import told


@told
def connect(
    link: Annotated[str, typer.Argument(help="Name of the link.")],
    system: Annotated[Literal["minox", "qms"], typer.Argument(help="Which side of it.")],
    redirect_uri: Annotated[
        str | None,
        typer.Option(help="The registered redirect address.", show_default="that of the Sync page"),
    ] = None,
    by: ByOption = None,
) -> None:
    """Connect a system: open the address that is printed in any browser, sign in, and paste what it ends at.

    The browser may be anywhere, and the page that it ends at need not open: its address is all that counts.
    """
    from include.settings.load import find_link
    from minox_qms.connect import finish, read_answer, site_for
    from minox_qms.hooks.address import NAMES
    from minox_qms.hooks.site import authorize_url

    settings, person = find_link(link_named(link)), person_named(by)
    target = redirect_uri or _of_the_page()
    site = site_for(system, settings.connections[system])
    state = secrets.token_urlsafe(32)
    typer.echo(f"Open this address in a browser and give access to {NAMES[system]}:\n")
    typer.echo(f"  {authorize_url(site, target, state)}\n")
    typer.echo(f"The browser ends at {target}?code=... (it does not matter what it shows).")
    answer = read_answer(typer.prompt("Paste that address, or the code in it"), state)
    with database():
        finish(settings, system, answer.code, target, person)
    typer.echo(f"{NAMES[system]} is connected for link {settings.name}; its tokens are stored encrypted.")


def _of_the_page() -> str:
    """The redirect address of the Sync page.

    Raises:
        ConfigurationError: Airflow does not know its own address.
    """
    from airflow.configuration import conf

    from include.errors import ConfigurationError
    from minox_qms.connect import CALLBACK

    base = (conf.get("api", "base_url", fallback="") or "").strip().rstrip("/")
    if not base:
        raise ConfigurationError(
            "Give the registered redirect address with --redirect-uri, or set Airflow's own address "
            "(AIRFLOW__API__BASE_URL)."
        )
    return base + CALLBACK
