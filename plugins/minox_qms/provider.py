"""Entry point `apache_airflow_provider`: registers the connection types `minox` and `qms` with Airflow."""

from __future__ import annotations

from typing import Any

REFRESH_TOKEN = {
    "label": "First refresh token",
    "description": "For set-up without a browser; used once, when no grant is stored yet.",
    "schema": {"type": ["string", "null"], "format": "password"},
}
SCOPE = {
    "label": "Scopes",
    "description": "Asked for on the consent page; leave empty for those that the connector needs.",
    "schema": {"type": ["string", "null"]},
}


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow (called by its providers manager).

    Returns:
        The provider description; `connection-types` names the hooks of both systems and the fields of their forms.
    """
    return {
        "package-name": "minox-qms-connector",
        "name": "Minox and QicsMilestones",
        "description": "Connection types for Minox and QicsMilestones (QMS).",
        "connection-types": [
            {
                "connection-type": "minox",
                "hook-class-name": "minox_qms.hooks.minox.MinoxHook",
                "hook-name": "Minox",
                "conn-fields": {"refresh_token": REFRESH_TOKEN, "scope": SCOPE},
            },
            {
                "connection-type": "qms",
                "hook-class-name": "minox_qms.hooks.qms.QmsHook",
                "hook-name": "QicsMilestones (QMS)",
                "conn-fields": {"refresh_token": REFRESH_TOKEN},
            },
        ],
    }
