"""Where the connector keeps what belongs to this machine: embedded database, key file, Airflow's scratch home."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def state_directory() -> Path:
    """Directory of this machine's own state: `MINOX_QMS_HOME`, else `.local` of the project; made when missing."""
    directory = Path(os.environ.get("MINOX_QMS_HOME") or PROJECT_ROOT / ".local")
    directory.mkdir(parents=True, exist_ok=True)
    return directory
