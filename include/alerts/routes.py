"""Where the alerts of a link go: what its settings say, also when the rest of its file is not valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from include.settings.link import AlertSettings

if TYPE_CHECKING:
    from pathlib import Path

EMAIL = "email"
WEBHOOK = "webhook:"


def alert_settings(path: Path) -> AlertSettings | None:
    """Read the section `alerts` of a link's file, and nothing else of it.

    Args:
        path: The link's file.

    Returns:
        The section; None when the file cannot be read so far, or the section itself is not valid.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        section = content.get("alerts") if isinstance(content, dict) else {}
        return AlertSettings.model_validate(section or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError):
        return None


def routes_of(settings: AlertSettings) -> tuple[str, ...]:
    """The ways that a link's alerts go: `email` (all its addresses together), and `webhook:<connection>` each."""
    return (*((EMAIL,) if settings.email else ()), *(WEBHOOK + conn_id for conn_id in settings.webhooks))
