"""When to give up: requests fail one after the other, and it may be these records, or the whole system."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable

ASK_AFTER = 3
GIVE_UP_AFTER = 12


class Patience:
    """Counts failures in a row; some records that keep failing must not keep the others waiting for ever.

    After a few the system is asked something else: when that fails as well, it cannot be reached, and the work is given
    up. After many it is given up although the system answers. Several threads may count.

    Args:
        ask: A small request to the system.
        ask_after: Failures in a row after which it is asked.
        give_up_after: Failures in a row after which the work is given up; `GIVE_UP_AFTER` when left out.
    """

    def __init__(self, ask: Callable[[], object], ask_after: int = ASK_AFTER, give_up_after: int | None = None) -> None:
        self._ask = ask
        self._ask_after = ask_after
        self._give_up_after = GIVE_UP_AFTER if give_up_after is None else give_up_after
        self._in_a_row = 0
        self._counting = threading.Lock()

    def succeeded(self) -> None:
        """Begin to count anew."""
        with self._counting:
            self._in_a_row = 0

    def is_at_end(self, weight: int = 1) -> bool:
        """Count a failure, or one that counts for several; tell whether to give up."""
        with self._counting:
            before = self._in_a_row
            self._in_a_row = now = before + weight
        return now >= self._give_up_after or (before < self._ask_after <= now and not self._answers())

    def _answers(self) -> bool:
        try:
            self._ask()
        except (ConnectorError, sa.exc.SQLAlchemyError):
            return False
        return True
