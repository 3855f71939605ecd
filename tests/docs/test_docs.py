"""What the README and the pages name is there: commands, targets, files, services, variables."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from include.settings.load import PROJECT_ROOT, load_link
from minox_qms.cli import app

README = PROJECT_ROOT / "README.md"
PAGES = [README, PROJECT_ROOT / "CHANGELOG.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]
MAKEFILE = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
CLI: Any = typer.main.get_command(app)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path, program: str) -> list[list[str]]:
    """Commands of a program that a page names, in blocks and in running text, as lists of words."""
    text = page.read_text(encoding="utf-8")
    shells = [block for language, block in BLOCK.findall(text) if language in {"sh", ""}]
    lines = [line for block in shells for line in re.split(r"\n|&&|;", block)]
    lines += re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    found = []
    for line in lines:
        words = shlex.split(line.split(" #")[0].split(" > ")[0].split(" < ")[0]) if program in line else []
        size = len(program.split())
        if len(words) > size and (words[:size] == program.split() or words[0].endswith(f"/{program}")):
            found.append(words[size:])
    return found


def named(program: str) -> list[Any]:
    return [
        pytest.param(words, id=f"{page.stem}: {program} {' '.join(words)}")
        for page in PAGES
        for words in commands(page, program)
    ]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("words", named("make"))
def test_make_has_the_target(words: list[str]) -> None:
    assert words[0] in targets()
    for setting in words[1:]:
        name, _, value = setting.partition("=")
        assert value
        assert re.search(rf"^{name} \?= ", MAKEFILE, re.MULTILINE)


def test_the_readme_names_the_two_commands() -> None:
    assert {"demo", "demo-down", "test"} <= {words[0] for words in commands(README, "make")}


@pytest.mark.parametrize("target", sorted(targets()))
def test_targets_can_be_worked_out(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", target], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", named("minox-qms"))
def test_the_command_line_takes_it(words: list[str]) -> None:
    command = CLI.commands[words[0]]
    if words[1:] and "[OPTIONS]" not in words:  # the name alone, or its form, is no example of its use
        command.make_context(words[0], words[1:])


def test_the_readme_lists_every_command() -> None:
    table = re.findall(r"^\| `minox-qms ([a-z-]+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(table) == sorted(CLI.commands)


@pytest.mark.parametrize("words", named("python -m"))
def test_the_module_is_there(words: list[str]) -> None:
    assert importlib.util.find_spec(words[0]) is not None


@pytest.mark.parametrize("words", named("docker compose"))
def test_the_services_are_there(words: list[str]) -> None:
    services = yaml.safe_load((PROJECT_ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))["services"]
    if words[0] in {"exec", "run"}:
        assert next(word for word in words[1:] if not word.startswith("-")) in services


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_files_and_folders_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    folders = "include|plugins|dags|config|sandbox|demo|deploy|tests|docs"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", text):
        if "vandijk" not in name:
            assert (PROJECT_ROOT / name).exists(), name


def test_every_page_can_be_found_from_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    for page in (PROJECT_ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_variables_are_read_somewhere(page: Path) -> None:
    roots = (
        "include",
        "plugins",
        "demo",
        "deploy",
        "tests/conftest.py",
        ".ci/run",
        "Dockerfile",
        "docker-compose.yaml",
    )
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for root in roots
        for path in ([PROJECT_ROOT / root] if (PROJECT_ROOT / root).is_file() else (PROJECT_ROOT / root).rglob("*.*"))
        if path.suffix in {"", ".py", ".sh", ".yaml"} and path.is_file()
    )
    for name in set(re.findall(r"\bMINOX_QMS_[A-Z_]+", page.read_text(encoding="utf-8"))):
        assert name in code, name


def test_the_example_of_a_link_is_one(tmp_path: Path) -> None:
    text = (PROJECT_ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    [example] = [block for language, block in BLOCK.findall(text) if language == "yaml"]
    path = tmp_path / "vandijk.yaml"
    path.write_text(example, encoding="utf-8")
    assert load_link(path).bookings.journal_code == "VRK"


def test_every_setting_of_the_environment_is_documented() -> None:
    text = (PROJECT_ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    for name in ("MINOX_QMS_DATABASE_URL", "MINOX_QMS_FERNET_KEY", "MINOX_QMS_LINKS_DIR", "MINOX_QMS_HOME"):
        assert f"| `{name}` |" in text


def test_ci_calls_make_test_and_hides_nothing() -> None:
    script = (PROJECT_ROOT / ".ci" / "run").read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", PROJECT_ROOT / ".ci" / "run"], check=True, timeout=10)
    assert script.splitlines()[-1] == 'exec make test PYTHON="$PYTHON"'
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script


def test_the_last_that_make_test_does_is_pytest() -> None:
    recipe = re.search(r"^test:[^\n]*\n((?:\t[^\n]*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    assert "pytest" in recipe[1].splitlines()[-1]


def test_hooks_before_a_commit_are_local_and_valid() -> None:
    file = PROJECT_ROOT / ".pre-commit-config.yaml"
    assert {repo["repo"] for repo in yaml.safe_load(file.read_text(encoding="utf-8"))["repos"]} == {"local"}
    subprocess.run([Path(sys.executable).with_name("pre-commit"), "validate-config", file], check=True, timeout=60)
