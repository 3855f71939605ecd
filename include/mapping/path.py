"""Read a value by its path: `vat.id`, `postal.name`. Absent anywhere on the way is None."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def reader(path: str) -> Callable[[Any], Any]:
    """Build the function that reads a path of attribute names.

    Args:
        path: Attribute names with dots between them.

    Returns:
        A function from a record (or a view of one) to the value, None when anything on the way is None. A name that
        the record's type does not have is a fault in the declaration and raises AttributeError.
    """
    names = path.split(".")

    def read(value: Any) -> Any:
        for name in names:
            if value is None:
                return None
            value = getattr(value, name)
        return value

    return read
