"""Entry point `apache_airflow_provider`: registers the connection types `minox` and `qms` with Airflow."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow (called by its providers manager).

    Returns:
        The provider description; `connection-types` names the hooks of both systems.
    """
    return {
        "package-name": "minox-qms-connector",
        "name": "Minox and QicsMilestones",
        "description": "Connection types for Minox and QicsMilestones (QMS).",
        "connection-types": [
            {"connection-type": "minox", "hook-class-name": "minox_qms.hooks.minox.MinoxHook"},
            {"connection-type": "qms", "hook-class-name": "minox_qms.hooks.qms.QmsHook"},
        ],
    }
