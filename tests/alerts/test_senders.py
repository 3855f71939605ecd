"""Mail and webhook, over real servers: what arrives, what is never shown, and what happens when they are down."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import Connection

from include.alerts.incident import FAILED, Trouble
from include.settings.load import PROJECT_ROOT
from minox_qms.alerts.errors import NotSentError
from minox_qms.alerts.mail import BoundedSmtpHook, as_html, send_mail
from minox_qms.alerts.webhook import address, post
from tests.alerts.conftest import ADDRESSES, SECRET
from tests.alerts.receivers import free_port, html_of, text_of

if TYPE_CHECKING:
    from tests.alerts.conftest import Office
    from tests.alerts.receivers import MailServer, Webhook

pytestmark = pytest.mark.usefixtures("receivers")
BODY = 'Koppeling "één": <b>let op</b> & kijk\n\nAirflow: https://airflow.kantoor.example/dags/x/runs/a%2Bb'


def test_a_mail_reads_as_it_was_written(mail: MailServer) -> None:
    send_mail(ADDRESSES, "[minox-qms] één: mislukt", BODY)
    (got,) = mail.mails
    assert mail.recipients == [ADDRESSES]
    assert got["Subject"] == "[minox-qms] één: mislukt"
    assert got["From"] == "koppeling@kantoor.example"
    assert text_of(got).strip() == BODY
    assert "<b>" not in html_of(got)
    assert '<a href="https://airflow.kantoor.example/dags/x/runs/a%2Bb">' in html_of(got)


def test_the_example_and_the_page_fit_the_ports_that_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(one for one in (PROJECT_ROOT / ".env.example").read_text().splitlines() if "SMTP_DEFAULT" in one)
    example = json.loads(line.partition("=")[2])
    page = (PROJECT_ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert example["port"] == 587
    for port, option, begins_with_tls in ((587, "disable_ssl", False), (465, "disable_tls", True)):
        assert re.search(rf'Port {port} \([^)]*\): `"{option}": true`', page)
        extra = {"from_email": example["extra"]["from_email"], option: True}
        assert port != example["port"] or extra == example["extra"]
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({**example, "port": port, "extra": extra}))
        hook = BoundedSmtpHook()
        hook.smtp_connection = hook.get_connection("smtp_default")
        assert (hook.use_ssl, hook.smtp_starttls) == (begins_with_tls, not begins_with_tls)


def test_text_is_never_markup() -> None:
    assert "<script>" not in as_html('x"><script>https://evil.example/"onload="y</script>')
    assert 'onload="' not in as_html('https://evil.example/"onload="y')


def test_a_post_has_the_form_of_slack_and_teams(webhook: Webhook) -> None:
    post("alert_hook", "Onderwerp", "Regel 1\n<!channel> & zo")
    text = "Onderwerp\nRegel 1\n&lt;!channel&gt; &amp; zo"
    assert webhook.posts == [(f"/services/{SECRET}", "application/json", {"text": text})]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_does_not_take_it_is_named_without_its_secret(webhook: Webhook, status: int) -> None:
    webhook.status = status
    with pytest.raises(NotSentError) as caught:
        post("alert_hook", "a", "b")
    assert "alert_hook" in str(caught.value)
    assert str(status) in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert len(webhook.posts) == 1


def test_a_webhook_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = {"conn_type": "http", "host": "127.0.0.1", "schema": "http", "port": free_port(), "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", json.dumps(hook))
    with pytest.raises(NotSentError, match="ConnectionError") as caught:
        post("alert_hook", "a", "b")
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "hooks.example", "password": "T0/B0/x"}, "https://hooks.example/T0/B0/x"),
        ({"host": "https://hooks.example/services/", "password": "/x"}, "https://hooks.example/services/x"),
        ({"host": "https://hooks.example/in?sig=1"}, "https://hooks.example/in?sig=1"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1/a", "port": 8080}, "http://127.0.0.1:8080/a"),
    ],
)
def test_the_address_of_a_webhook(fields: dict[str, Any], url: str) -> None:
    assert address(Connection(conn_id="x", conn_type="http", **fields)) == url


@pytest.mark.parametrize("host", ["http://hooks.example/x", "ftp://127.0.0.1/", "https://", "http://[bad"])
def test_an_address_that_could_be_read_on_the_way_gets_nothing(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_HOOK", json.dumps({"conn_type": "http", "host": host}))
    with pytest.raises(NotSentError, match="must be https"):
        post("alert_hook", "a", "b")


def test_connections_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotSentError, match="no such connection"):
        post("nowhere", "a", "b")
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT")
    with pytest.raises(NotSentError, match="smtp_default"):
        send_mail(ADDRESSES, "a", "b")


def test_a_mail_server_that_is_down_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "extra": {"timeout": 600, "retry_limit": 50}}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(smtp))
    hook = BoundedSmtpHook()
    hook.smtp_connection = hook.get_connection("smtp_default")
    assert (hook.timeout, hook.smtp_retry_limit) == (15, 1)


def test_what_cannot_be_sent_is_kept_and_sent_later(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.mail.is_down = True
    office.settle(webhook=True)
    office.desk.report("minox_to_qms", [Trouble(FAILED, "Minox is weg.")])
    with caplog.at_level(logging.ERROR):
        assert office.desk.deliver() == 1
    assert "451" in caplog.text
    assert "boekhouder@" not in caplog.text
    assert len(office.webhook.posts) == 1
    office.mail.is_down = False
    assert office.desk.deliver() == 0  # it was tried a moment ago
    office.lapse()
    assert office.desk.deliver() == 1
    office.lapse()
    assert office.desk.deliver() == 0
    assert (len(office.mail.mails), len(office.webhook.posts)) == (1, 1)
    assert office.rows("SELECT count(notified_at) FROM alert_incident WHERE link = :link")[0][0] == 1


def test_a_message_that_cannot_be_sent_for_whatever_reason_keeps_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_: object) -> None:
        raise UnicodeError("geheim")

    office.settle(webhook=True)
    monkeypatch.setattr("minox_qms.alerts.mail.send_mail", bug)
    office.desk.report("minox_to_qms", [Trouble(FAILED, "Minox is weg.")])
    assert office.desk.deliver() == 1
    assert len(office.webhook.posts) == 1
    assert "UnicodeError" in caplog.text
    assert "geheim" not in caplog.text
