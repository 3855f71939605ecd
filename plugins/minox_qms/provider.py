"""Entry point `apache_airflow_provider`: registers the connection types `minox` and `qms` with Airflow."""

from __future__ import annotations

from typing import Any

REFRESH_TOKEN = {
    "label": "First refresh token",
    "description": "For set-up without a browser; used once: when nothing is connected yet, or access was withdrawn.",
    "schema": {"type": ["string", "null"], "format": "password"},
}
SCOPE = {
    "label": "Scopes",
    "description": "Asked for on the consent page; leave empty for those that the connector needs.",
    "schema": {"type": ["string", "null"]},
}


def _tested(label: str, description: str) -> dict[str, Any]:
    """A number that only the connection test looks at; a link's own file says what the link uses."""
    return {
        "label": label,
        "description": f"{description} Only the test of this connection uses it; may be left empty.",
        "schema": {"type": ["integer", "null"], "minimum": 0},
    }


TENANT = _tested("Tenant", "Customer number (klantnummer) that one logs in to Minox with.")
ADMINISTRATION = _tested("Administration", "Administration number (administratienummer).")
COMPANY = _tested("Company", "CompanyId of the coupled company.")


def _named(example: str) -> dict[str, Any]:
    """What the standard fields of a form are called; Airflow reads it here only, and asks no hook."""
    return {
        "hidden-fields": ["schema"],
        "relabeling": {"login": "Client id", "password": "Client secret"},
        "placeholders": {"host": example},
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
                "ui-field-behaviour": _named("https://app.minox.nl"),
                "conn-fields": {
                    "tenant_id": TENANT,
                    "administration_id": ADMINISTRATION,
                    "refresh_token": REFRESH_TOKEN,
                    "scope": SCOPE,
                },
            },
            {
                "connection-type": "qms",
                "hook-class-name": "minox_qms.hooks.qms.QmsHook",
                "hook-name": "QicsMilestones (QMS)",
                "ui-field-behaviour": _named("https://qicsmilestones.qics.nl"),
                "conn-fields": {"company_id": COMPANY, "refresh_token": REFRESH_TOKEN},
            },
        ],
    }
