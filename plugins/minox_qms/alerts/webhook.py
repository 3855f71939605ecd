"""Alerts to a webhook (Slack, Teams), through an Airflow HTTP connection that holds its address."""

from __future__ import annotations

import html
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from minox_qms.alerts.errors import NotSentError

if TYPE_CHECKING:
    from airflow.sdk import Connection

TIMEOUT = (5, 15)
MAX_TEXT = 8000


def post(conn_id: str, subject: str, body: str) -> None:
    """Post one message, in the form that Slack and Teams both read.

    Args:
        conn_id: Airflow connection of type HTTP: host (with or without scheme), port, and the secret part of the
            address as password, which is appended to it.
        subject: One line.
        body: Plain text.

    Raises:
        NotSentError: Airflow has no such connection, its address is not safe, or it did not take the message.
    """
    try:
        url = address(BaseHook.get_connection(conn_id))
    except AirflowNotFoundException:
        raise _not_sent(conn_id, "Airflow has no such connection") from None
    if not _is_safe(url):
        raise _not_sent(conn_id, "its address must be https; plain http is for this machine itself only")
    text = html.escape(f"{subject}\n{body}"[:MAX_TEXT], quote=False)  # or `<!channel>` in a record would call everyone
    try:
        answer = requests.post(url, json={"text": text}, timeout=TIMEOUT, allow_redirects=False, stream=True)
        answer.close()
    except requests.RequestException as error:
        raise _not_sent(conn_id, type(error).__name__) from None  # its own words quote the address
    if not answer.ok or answer.is_redirect:
        raise _not_sent(conn_id, f"status {answer.status_code}")


def address(connection: Connection) -> str:
    """Put the address of a webhook together.

    Args:
        connection: Airflow connection; what of it is secret is in its password.
    """
    host = connection.host or ""
    url = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    if connection.port:
        parts = urlsplit(url)
        url = parts._replace(netloc=f"{parts.hostname}:{connection.port}").geturl()
    return f"{url.rstrip('/')}/{connection.password.lstrip('/')}" if connection.password else url


def _is_safe(url: str) -> bool:
    """Tell whether what is sent there cannot be read on the way."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme != "http":
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _not_sent(conn_id: str, detail: str) -> NotSentError:
    """Say that the webhook did not take it, without its address: that is a secret."""
    return NotSentError(f"The alert could not be posted to the webhook {conn_id!r}.", detail=detail, system="webhook")
