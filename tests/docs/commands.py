"""The commands that the pages name in their blocks, and who runs each.

A test that runs a command asks for it here by page and first words, `documented("operations.md", "docker compose ps")`
(`*` is anything), and gets the page's own line: a page that changes changes what is run. `tests/docs/test_docs.py`
finds the calls in the tests' source, and fails for a command of a page that nobody asks for.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
PROGRAMS = (".", "bash", "cp", "docker", "helm", "kubectl", "make", "minox-qms", "pip", "python", "airflow")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A line of a page.

    Attributes:
        page: Its name below `docs/`, or README.md.
        line: The command, without the comment behind it.
    """

    page: str
    line: str


def commands() -> list[Command]:
    """Every command in a shell block of a page; in a block of no language, those of a known program.

    A line that only shows the form of a command (`[OPTIONS]`) is none.
    """
    found = []
    for path in PAGES:
        page = path.relative_to(PROJECT / "docs").as_posix() if path.is_relative_to(PROJECT / "docs") else path.name
        for language, block in _BLOCK.findall(path.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines() if language in {"", "bash", "console", "sh"} else []:
                text = re.sub(r"\s+#.*", "", line).strip()
                program = Path(text.split()[0]).name if text else ""
                if text and "[OPTIONS]" not in text and (language or program in PROGRAMS):
                    found.append(Command(page, text))
    return found


def documented(page: str, words: str) -> str:
    """Give a command of a page to run it.

    Args:
        page: Its name below `docs/`, or README.md.
        words: How the command begins; `*` stands for anything.

    Returns:
        The whole line.

    Raises:
        LookupError: The page has no such command, or more than one.
    """
    found = {one.line for one in commands() if one.page == page and fnmatchcase(one.line, f"{words}*")}
    if len(found) != 1:
        raise LookupError(f"{page} has {len(found)} commands that begin with {words!r}: {sorted(found)}")
    return found.pop()


def declared() -> dict[tuple[str, str], str]:
    """Every call of `documented` in the tests: page and words, and the file."""
    calls = {}
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "documented(" in text else []:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "documented":
                page, words = (ast.literal_eval(argument) for argument in node.args)
                calls[page, words] = path.relative_to(PROJECT).as_posix()
    return calls
