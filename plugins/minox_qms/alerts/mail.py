"""Alerts by mail, through Airflow's SMTP connection `smtp_default`."""

from __future__ import annotations

import html
import re
import smtplib
from typing import TYPE_CHECKING

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk.exceptions import AirflowException

from minox_qms.alerts.errors import NotSentError

if TYPE_CHECKING:
    from collections.abc import Sequence

CONN_ID = "smtp_default"
MAX_SECONDS = 15
MAX_RETRIES = 1
_ADDRESS = re.compile(r"https?://[^\s<>\"']+")


class BoundedSmtpHook(SmtpHook):
    """The provider's hook, made to give up in time whatever its connection says: a slow callback is killed."""

    @property
    def timeout(self) -> int:
        """Seconds that one step may take."""
        return min(super().timeout, MAX_SECONDS)

    @property
    def smtp_retry_limit(self) -> int:
        """Tries after the first."""
        return min(super().smtp_retry_limit, MAX_RETRIES)


def send_mail(addresses: Sequence[str], subject: str, body: str) -> None:
    """Send one mail to all addresses.

    Args:
        addresses: Of the link's setting `alerts.email`.
        subject: One line.
        body: Plain text.

    Raises:
        NotSentError: Airflow has no such connection, or the mail server did not take it.
    """
    try:
        with BoundedSmtpHook(CONN_ID) as hook:
            hook.send_email_smtp(to=list(addresses), subject=subject, html_content=as_html(body))
    except smtplib.SMTPResponseException as error:
        raise _not_sent(f"{type(error).__name__} {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise _not_sent(type(error).__name__) from None
    except AirflowException as error:  # the provider's own, about the connection: they name no values
        raise _not_sent(str(error)) from None


def as_html(body: str) -> str:
    """Write plain text as HTML: nothing in it is markup, and its addresses can be clicked.

    Args:
        body: Plain text.
    """
    parts, end = [], 0
    for found in _ADDRESS.finditer(body):
        url = html.escape(found.group())
        parts += [html.escape(body[end : found.start()]), f'<a href="{url}">{url}</a>']
        end = found.end()
    parts.append(html.escape(body[end:]))
    return f'<div style="white-space: pre-wrap; font-family: sans-serif">{"".join(parts)}</div>'


def _not_sent(detail: str) -> NotSentError:
    """Say that the mail server did not take it, without the addresses that its own words may hold."""
    return NotSentError(
        f"The alert could not be mailed through Airflow's connection {CONN_ID!r}.", detail=detail, system="mail"
    )
