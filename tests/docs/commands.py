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
PAGES = [PROJECT / "README.md", PROJECT / "deploy" / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
PROGRAMS = (".", "bash", "cp", "docker", "helm", "kubectl", "make", "minox-qms", "pip", "python", "airflow")
ELSEWHERE = {
    "make test": (".ci/run", "make test"),
    "kubectl create": ("tests/deploy/test_helm.py", "kubectl create"),
    "helm ": ("tests/deploy/test_helm.py", "--values"),
}
"""What is run without its line: the file that does, and what stands in it.

There is no cluster (deploy/README.md says so): the commands for one are held against the files and Secrets they name.
"""
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A line of a page.

    Attributes:
        page: Its name below `docs/`, or its path.
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
        page = path.relative_to(PROJECT).as_posix().removeprefix("docs/")
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
        page: Its name below `docs/`, or its path.
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


def asked_for() -> dict[tuple[str, str], str]:
    """Every call of `documented` in the tests: page and words, and the file."""
    calls = {}
    for path in sorted((PROJECT / "tests").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "documented(" in text else []:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "documented":
                words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                if len(words) == 2:
                    calls[str(words[0]), str(words[1])] = path.relative_to(PROJECT).as_posix()
    return calls


def module_of(line: str) -> str | None:
    """The module that a line starts (`python -m X`), by itself or through the recipe of its target of make."""
    words = line.split()
    if words[0] == "make":
        makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
        recipe = re.search(rf"^{re.escape(words[1])}:[^\n]*\n((?:\t[^\n]*\n)+)", makefile, re.MULTILINE)
        line = "" if recipe is None else recipe[1]
    found = re.search(r"python3? -m ([\w.]+)", line)
    return None if found is None else found[1]


def is_started_by_a_test(module: str) -> bool:
    """Whether a test starts a module, or calls what is in it: with smaller sizes, most of them."""
    name = re.escape(module)
    use = re.compile(rf'^\s*(?:from|import) {name}[. ]|"-m", "{name}"', re.MULTILINE)
    return any(use.search(path.read_text(encoding="utf-8")) for path in (PROJECT / "tests").rglob("test_*.py"))
