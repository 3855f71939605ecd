"""When to stop asking: one request after the other fails, and the question is whether it is they, or the system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable

ASK_AFTER = 3
GIVE_UP_AFTER = 12


class Patience:
    """Counts failures in a row; some records that keep failing must not keep the others waiting for ever.

    After `ASK_AFTER` the system is asked something else: when that fails as well, it cannot be reached, and the work is
    given up. After `GIVE_UP_AFTER` it is given up although the system answers.

    Args:
        ask: A small request to the system.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._in_a_row = 0

    def succeeded(self) -> None:
        """Begin to count anew."""
        self._in_a_row = 0

    def is_at_end(self) -> bool:
        """Count a failure; tell whether to give up."""
        self._in_a_row += 1
        return self._in_a_row >= GIVE_UP_AFTER or (self._in_a_row == ASK_AFTER and not self._answers())

    def _answers(self) -> bool:
        try:
            self._ask()
        except ConnectorError:
            return False
        return True
