"""What goes wrong on the wire and at commits, drawn by chance from a seed."""

from __future__ import annotations

import email.utils
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.answers import Answer

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.answers import Asked

NOT_ARRIVED = ("connection refused", "reset before it arrived", "429 with seconds", "429 with a date", "429 bare",
               "429 with a reset", "502", "503 bare", "503 with Retry-After", "token expired")  # fmt: skip
APPLIED = ("answer lost", "reset before the answer", "500 after it was carried out", "504 after it was carried out",
           "HTML with status 200", "truncated answer", "empty answer")  # fmt: skip
LISTS = ("page comes twice", "cursor loops", "row moves to the next page")
BATCHES = ("answer for another batch", "200 with errors, not stored")
TOKENS = ("answer lost", "500 after it was carried out", "connection refused", "502", "429 with seconds")
COMMITS = ("commit lost before", "commit lost after")

STATUSES = {"502": 502, "503 bare": 503, "503 with Retry-After": 503}
AFTER = {"500 after it was carried out": 500, "504 after it was carried out": 504}


class Faults:
    """Draws faults; every one that happens is counted.

    Args:
        random: The schedule's.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.per_request = 0.0
        self.per_commit = 0.0
        self.down: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def heal(self) -> None:
        """From now on everything works."""
        self.per_request = self.per_commit = 0.0
        self.down = {}

    def of_request(self, system: str, asked: Asked) -> str | None:
        """What goes wrong with a request; None when nothing does."""
        if system in self.down:
            return self._count(self.down[system])
        if not self.per_request or self._random.random() >= self.per_request:
            return None
        if asked.path.endswith("/token"):
            return self._count(self._random.choice(TOKENS))
        names = [*NOT_ARRIVED, *APPLIED]
        if asked.method == "GET":
            names += LISTS
        elif "transaction_line_batch" in asked.path and not asked.path.endswith("/blob"):
            names += [*BATCHES * 4, *APPLIED]
        return self._count(self._random.choice(names))

    def of_commit(self) -> str | None:
        """What goes wrong with a commit; None when nothing does."""
        if not self.per_commit or self._random.random() >= self.per_commit:
            return None
        return self._count(self._random.choice(COMMITS))

    def _count(self, name: str) -> str:
        self.counts[name] += 1
        return name


def too_many(name: str, now: float, seconds: int) -> Answer:
    """A 429 in one of its forms."""
    headers = {
        "429 with seconds": {"Retry-After": str(seconds)},
        "429 with a date": {"Retry-After": email.utils.formatdate(now + seconds, usegmt=True)},
        "429 with a reset": {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int((now + seconds) * 1000))},
    }.get(name, {})
    return Answer(429, b"", headers)


def spoiled(name: str, answer: Answer) -> Answer:
    """The answer as it comes through."""
    if name in AFTER:
        return Answer(AFTER[name], b"<h1>Oops</h1>", {"Content-Type": "text/html"})
    if name == "HTML with status 200":
        return Answer(200, b"<html><body>Onderhoud</body></html>", {"Content-Type": "text/html"})
    if name == "truncated answer":
        return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
    if name == "empty answer":
        return Answer(answer.status, b"", answer.headers)
    return answer
