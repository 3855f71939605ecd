"""A link's file for these tests."""

from __future__ import annotations

from typing import Any

MINIMAL: dict[str, dict[str, Any]] = {
    "minox": {"conn_id": "minox_test", "tenant_id": 123456, "administration_id": 1},
    "qms": {"conn_id": "qms_test", "company_id": 3},
    "bookings": {"journal_code": "VRK"},
}


def with_values(section: str, **values: Any) -> dict[str, dict[str, Any]]:
    """The smallest link's file, with more values in one section."""
    return {**MINIMAL, section: {**MINIMAL.get(section, {}), **values}}
