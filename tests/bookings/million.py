"""Build entries for a great many random invoices and have each judged by the second opinion of `oracle.py`.

    python -m tests.bookings.million --count 1000000

Prints how many were balanced and how many rejected, per reason; ends with 1 when any entry is out of balance, or any
result is not what the specification says.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from include.bookings.entry import Entry, build_entry
from tests.bookings import oracle
from tests.bookings.samples import VARIANTS, context_of, invoice_of, settings_of, stream

BATCH = 10_000
SHOWN = 20


def run(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Judge `count` cases drawn with `seed`.

    Returns:
        Results per kind (`balanced`, `rounded` among them, or the first reason), and what was wrong.
    """
    settings = [settings_of(**variant) for variant in VARIANTS]
    kinds: Counter[str] = Counter()
    faults: list[str] = []
    for number, (index, case) in enumerate(stream(seed, count)):
        result = build_entry(invoice_of(case), settings[index], context_of(case))
        if isinstance(result, Entry):
            kinds["balanced"] += 1
            kinds["balanced, with cents of rounding"] += bool(result.rounding)
        else:
            kinds[f"rejected: {result.reason}"] += 1
        fault = oracle.judge(case, VARIANTS[index], result)
        if fault is not None:
            faults.append(f"seed {seed}, case {number}, settings {VARIANTS[index]}: {fault}")
    return kinds, faults


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="number of invoices")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same invoices")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    sizes = [min(BATCH, chosen.count - start) for start in range(0, chosen.count, BATCH)]
    seeds = [chosen.seed * 1_000_000 + batch for batch in range(len(sizes))]
    kinds: Counter[str] = Counter()
    faults: list[str] = []
    with ProcessPoolExecutor(chosen.workers) as pool:
        for some_kinds, some_faults in pool.map(run, sizes, seeds):
            kinds += some_kinds
            faults += some_faults
    seconds = time.monotonic() - started
    say = partial(print, file=sys.stdout)
    for kind, number in sorted(kinds.items(), key=lambda item: (not item[0].startswith("balanced"), -item[1])):
        say(f"{number:>10,}  {kind}")
    say(
        f"{chosen.count:>10,}  invoices in {seconds:.0f} s, {chosen.count / seconds:,.0f} a second; {len(faults)} wrong"
    )
    for fault in faults[:SHOWN]:
        say(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
