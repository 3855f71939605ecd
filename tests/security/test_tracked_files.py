"""No credential is in a tracked file: `make secrets`, and before every commit (`.pre-commit-config.yaml`)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from detect_secrets.core import scan
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.settings import transient_settings

from include.storage.home import PROJECT_ROOT

NOISY = {"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector", "KeywordDetector"}
PLACEHOLDERS = re.compile(r"geheim|secret|PASSWORD|p|pass|[0-9]+|[{$<].*")
"""Passwords in addresses of the documentation and the tests; `geheim` is Dutch for secret."""
KEY = re.compile(r"(?<![\w/+=-])[A-Za-z0-9_-]{43}=(?![\w/+=-])")
KNOWN_KEYS = {"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}
"""`0123456789…` as a Fernet key."""


def findings(paths: list[str]) -> list[str]:
    """File, line and kind of whatever looks like a credential in these files; never the credential itself."""
    detectors: dict[str, Any] = get_mapping_from_secret_type_to_class()
    plugins = sorted({one.__name__ for one in detectors.values()} - NOISY)
    found: list[str] = []
    with transient_settings({"plugins_used": [{"name": name} for name in plugins]}):
        for path in paths:
            for one in scan.scan_file(path):
                if not PLACEHOLDERS.fullmatch(str(one.secret_value)):
                    found.append(f"{path}:{one.line_number}: {one.type}")  # noqa: PERF401 - plainer so
    for path in paths:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        found += [
            f"{path}:{number}: Fernet key"
            for number, line in enumerate(lines, 1)
            if set(KEY.findall(line)) - KNOWN_KEYS
        ]
    return found


def tracked() -> list[str]:
    """The files that git knows and that are there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    paths = (PROJECT_ROOT / path for path in listed.stdout.split("\0") if path)
    return [str(path) for path in paths if path.is_file() and path.suffix not in {".png", ".ico"}]


def test_no_tracked_file_holds_a_credential() -> None:
    paths = tracked()
    assert len(paths) > 300
    assert findings(paths) == []


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("GitHub Token", ("ghp_", "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx")),
        ("AWS Access Key", ("AKIA", "Z7X4QK2M5N8P3R6T")),
        ("Private Key", ("-----BEGIN RSA ", "PRIVATE KEY-----")),
        ("Basic Auth Credentials", ("postgresql://minox:", "Zq8Wv3xTn5@host/db")),
        ("Slack Token", ("https://hooks.slack.com/services/T0123ABCD/", "B0123ABCD/x1y2z3A4B5C6D7E8F9G0H1I2")),
        ("Fernet key", ("gk7Qe0dVbY1hUu2xWc3zRf4tPj5mNn", "6LqKs8oTiAaBb=".rjust(14, "w"))),
    ],
)
def test_what_is_planted_is_found(kind: str, parts: tuple[str, str], tmp_path: Path) -> None:
    planted = tmp_path / "settings.py"
    planted.write_text(f'first = 1\nvalue = "{"".join(parts)}"\n', encoding="utf-8")
    assert findings([str(planted)]) == [f"{planted}:2: {kind}"]


def test_what_git_must_not_know_is_ignored() -> None:
    for path in (".env", ".local/demo/demo.env", "airflow.log"):
        done = subprocess.run(["git", "check-ignore", "-q", path], cwd=PROJECT_ROOT, check=False)
        assert done.returncode == 0, path


if __name__ == "__main__":
    seen = findings(sys.argv[1:] or tracked())
    print("\n".join(seen) or "No credential was found.")  # noqa: T201 - a command
    sys.exit(bool(seen))
