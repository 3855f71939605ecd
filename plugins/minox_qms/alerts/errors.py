"""Why an alert could not be sent."""

from __future__ import annotations

from include.errors import ConnectorError


class NotSentError(ConnectorError):
    """An alert could not be sent; its text holds no address and no secret."""
