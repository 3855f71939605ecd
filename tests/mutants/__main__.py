"""Take every guard away in turn, and say which test misses it: `python -m tests.mutants [WORDS OF A NAME ...]`.

Ends with 1 when no test misses some guard, or when the tests cannot tell.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.guard import Copy, Guard, Seen
from tests.mutants.guards import GUARDS

AT_ONCE = 2


def main(words: list[str]) -> int:
    """Check the guards whose name holds all of these words."""
    guards = [guard for guard in GUARDS if all(word.lower() in guard.name.lower() for word in words)]
    if not guards:
        print(f"No guard's name holds {' '.join(words)!r}.")  # noqa: T201
        return 1
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="minox-qms-mutants-") as directory:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(AT_ONCE):
            copies.put(Copy(Path(directory) / str(number)))
        tests = tuple(sorted({test for guard in guards for test in guard.tests}))
        copy = copies.get()
        whole = copy.run(tests, seconds=1800)
        copies.put(copy)
        if whole.returncode != 0:
            print(whole.stdout[-3000:], whole.stderr[-1000:])  # noqa: T201
            print("The tests are not green with all guards in their places.")  # noqa: T201
            return 1
        with ThreadPoolExecutor(AT_ONCE) as pool:
            seen = list(pool.map(lambda guard: _check(copies, guard), guards))
    lost = sum(one.missed_by is None for one in seen)
    print(  # noqa: T201
        f"\n{len(guards)} guards, {lost} that no test misses as it should; {time.monotonic() - started:.0f} seconds."
    )
    return 1 if lost else 0


def _check(copies: SimpleQueue[Copy], guard: Guard) -> Seen:
    copy = copies.get()
    try:
        seen = copy.without(guard)
    finally:
        copies.put(copy)
    what = seen.missed_by or f"NOT MISSED: {seen.problem}"
    print(f"{guard.name:<56} {seen.seconds:>4.0f} s  {what}", flush=True)  # noqa: T201
    return seen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
