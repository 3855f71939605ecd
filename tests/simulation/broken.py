"""Connectors that are broken on purpose, to show that the checker sees it; each as a patch of the real code."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from include.errors import UnknownOutcomeError
from include.storage import ledger
from minox_qms.hooks.oauth import TokenSource
from minox_qms.sync import posting
from minox_qms.sync.booking_run import BookingRun
from minox_qms.sync.existing import ExistingReceivables
from minox_qms.sync.posting import Poster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _no_look_up() -> Any:
    """After a lost answer the entry simply goes out again, and what an earlier run sent is taken for lost."""
    return mock.patch.object(Poster, "look_up", return_value=None)


def _random_id() -> Any:
    """Each try of an entry gets an id of its own."""

    def new_id(*_: Any) -> uuid.UUID:
        return uuid.UUID(int=_random_id.count, version=4)  # type: ignore[attr-defined]

    real = Poster.post

    def post(self: Poster, number: int, _batch: uuid.UUID, entry: Any, **options: Any) -> Any:
        _random_id.count += 1  # type: ignore[attr-defined]
        return real(self, number, new_id(), entry, **options)

    _random_id.count = 0  # type: ignore[attr-defined]
    return mock.patch.object(Poster, "post", post)


def _intent_not_committed() -> Any:
    """The ledger does not say that the entry goes out: the row is written once the answer is there."""
    real = ledger.note

    def note(connection: Any, link: str, number: int, values: Any, **options: Any) -> bool:
        if values.get("state") == "sending":
            return True
        return real(connection, link, number, values, **options)

    return _all([mock.patch.object(ledger, "note", note), mock.patch.object(ledger, "is_intended", return_value=True)])


def _no_claim() -> Any:
    """An entry goes out whoever has taken over, and whatever the ledger says by now."""
    real = ledger.note

    def note(connection: Any, link: str, number: int, values: Any, **options: Any) -> bool:
        if values.get("state") == "sending":
            options["unless"] = ()
        return real(connection, link, number, values, **options) or True

    return _all(
        [
            mock.patch.object(posting, "insist_on_claim"),
            mock.patch.object(ledger, "is_intended", return_value=True),
            mock.patch.object(ledger, "note", note),
        ]
    )


def _no_look_at_receivables() -> Any:
    """Nobody asks Minox whether it has the debtor and number already."""
    return mock.patch.object(ExistingReceivables, "among", return_value=set())


def _open_forgotten() -> Any:
    """A run takes what its interval's change log says, and nothing that an earlier run left."""
    return _all(
        [
            mock.patch.object(ledger, "open_ids", return_value=[]),
            mock.patch("minox_qms.operators.stage_invoices.missed_runs", return_value={}),
        ]
    )


def _doubt_is_good() -> Any:
    """A lost answer counts as a good one."""
    real = Poster.post

    def post(self: Poster, number: int, batch: uuid.UUID, entry: Any, **options: Any) -> Any:
        try:
            self.minox.put_batch(batch, entry.body())
        except UnknownOutcomeError:
            return posting._booked(None)
        return real(self, number, batch, entry, **options)

    return mock.patch.object(Poster, "post", post)


def _exclusion_ignored() -> Any:
    """What a person excluded is judged like any other."""
    real = BookingRun._known

    def known(self: BookingRun, keys: list[str]) -> Any:
        rows = real(self, keys)
        return {key: row for key, row in rows.items() if row.state != "excluded"}

    return _all([mock.patch.object(BookingRun, "_known", known), _no_claim()])


def _refresh_not_stored() -> Any:
    """The new refresh token is used, and the old one kept."""
    real = TokenSource._exchange

    def exchange(self: TokenSource, site: Any, held: Any, *, seed: str | None) -> Any:
        before = held.grant
        after = real(self, site, held, seed=seed)
        if before.refresh_token is not None:
            held._update({"refresh_token": before.sealed_refresh})
        return after

    return mock.patch.object(TokenSource, "_exchange", exchange)


def _cent_lost() -> Any:
    """A cent of the VAT goes astray."""
    from include.bookings.entry import Entry  # noqa: PLC0415 - only this one needs it

    real = Entry.body
    return mock.patch.object(Entry, "body", lambda self: real(self).replace(b'"amount":0.00', b'"amount":0.01', 1))


@contextmanager
def _all(patches: list[Any]) -> Iterator[None]:
    """Several patches at once."""
    from contextlib import ExitStack  # noqa: PLC0415

    with ExitStack() as stack:
        for one in patches:
            stack.enter_context(one)
        yield


BROKEN: dict[str, Callable[[], Any]] = {
    "no claim": _no_claim,
    "no look-up": _no_look_up,
    "random batch id": _random_id,
    "intent not committed": _intent_not_committed,
    "no look at receivables": _no_look_at_receivables,
    "open invoices forgotten": _open_forgotten,
    "doubt counts as good": _doubt_is_good,
    "exclusion ignored": _exclusion_ignored,
    "refresh token not stored": _refresh_not_stored,
    "a cent lost": _cent_lost,
}
"""By name; `python -m tests.simulation --break NAME` runs the simulation on one of them."""

SETTINGS: dict[str, dict[str, Any]] = {
    "intent not committed": {"check_existing": False},
    "no claim": {"check_existing": False, "minox_concurrency": 1},
}
"""Settings with which a broken connector is caught soon; with the look at receivables it is good all the same."""

SHARES: dict[str, tuple[float, float]] = {"intent not committed": (1.0, 0.0), "no claim": (0.0, 1.0)}
"""Which part of the runs with trouble has a task killed, and which of the others one that stands still, for these."""
