"""Which company and administration a link's bookkeeping is of: a link couples these two, and no others later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.errors import ConfigurationError
from include.storage.facts import fact, remember

if TYPE_CHECKING:
    import sqlalchemy as sa

    from include.settings.link import LinkSettings

COUPLE = "what it couples"


def insist_on_couple(connection: sa.Connection, link: LinkSettings) -> None:
    """See that a link's file names the company and the administration that its bookkeeping is of.

    Raises:
        ConfigurationError: It names others: what was written to them is not known, and what is known is of others.
    """
    if is_couple(connection, link):
        return
    known = fact(connection, link.name, COUPLE)
    raise ConfigurationError(
        f"This link has coupled {_words(known)} until now, and its file names {_words(_couple(link))}. What the "
        "connector remembers belongs to those that it has coupled: give the new ones a link of their own, a file with "
        "another name.",
        entity="link",
        key=link.name,
        field="qms.company_id, minox.administration_id, minox.tenant_id",
    )


def is_couple(connection: sa.Connection, link: LinkSettings) -> bool:
    """Whether a link's file names what its bookkeeping is of, or there is no bookkeeping yet."""
    return fact(connection, link.name, COUPLE) in (None, _couple(link))


def remember_couple(connection: sa.Connection, link: LinkSettings) -> None:
    """Keep what a link couples, once a run of it has come to something."""
    if fact(connection, link.name, COUPLE) is None:
        remember(connection, link.name, COUPLE, _couple(link))


def _couple(link: LinkSettings) -> dict[str, int]:
    minox = link.minox
    return {
        "company": link.qms.company_id,
        "administration": minox.administration_id,
        "tenant": minox.tenant_id,
    }


def _words(couple: dict[str, int]) -> str:
    return f"company {couple['company']} and administration {couple['administration']} of tenant {couple['tenant']}"
