"""Rejections are told of once, together; so is their return to good (spec, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.settings.load import find_link
from include.storage.quarantine import put_aside, release
from minox_qms.alerts.closing import after_run
from tests.storage.support import new_invoice, new_run, rejected

if TYPE_CHECKING:
    from include.storage.runs import Run
    from tests.alerts.conftest import Office


def reject(office: Office, *keys: str, reason: str = "nameless_debtor", direction: str = "minox_to_qms") -> Run:
    run = new_run(office.database, office.link, direction)
    entity = "customers" if direction == "minox_to_qms" else "invoices"
    with office.database.begin() as connection:
        put_aside(connection, run, entity, [rejected(key, reason) for key in keys])
    return run


def end(office: Office, run: Run, *, good: bool = True) -> None:
    after_run(office.database, find_link(office.link), run, good=good)


def test_new_rejections_are_told_of_once_and_in_one_mail(office: Office) -> None:
    end(office, reject(office, "1", "2"))
    end(office, reject(office, "1", "2"))
    assert office.mail.subjects == [f"[minox-qms] {office.link}: 2 afgekeurd / rejected"]
    assert "- customers 1: nameless_debtor: postal.name: It is blank." in office.mail.texts()[0]
    end(office, reject(office, "1", "2", "3"))
    assert office.mail.subjects[1:] == [f"[minox-qms] {office.link}: 1 afgekeurd / rejected"]


def test_another_reason_is_news(office: Office) -> None:
    end(office, reject(office, "1"))
    end(office, reject(office, "1", reason="wrong_type"))
    assert len(office.mail.mails) == 2
    assert "wrong_type" in office.mail.texts()[1]


def test_what_is_solved_is_told_of_once(office: Office) -> None:
    run = reject(office, "1", "2", "3")
    end(office, run)
    with office.database.begin() as connection:
        release(connection, run, "customers", ["1", "3"])
    for _ in range(2):
        end(office, new_run(office.database, office.link))
    assert office.mail.subjects[1:] == [f"[minox-qms] {office.link}: 2 opgelost / solved"]
    assert "- customers 3: nameless_debtor" in office.mail.texts()[1]
    end(office, reject(office, "1"))
    assert office.mail.subjects[2:] == [f"[minox-qms] {office.link}: 1 afgekeurd / rejected"]


def test_a_direction_tells_of_its_own_and_a_bad_run_tells_too(office: Office) -> None:
    reject(office, "1")
    end(office, reject(office, "900", reason="unbalanced", direction="qms_to_minox"), good=False)
    assert office.mail.subjects == [f"[minox-qms] {office.link}: 1 afgekeurd / rejected"]
    assert "- invoices 900: unbalanced" in office.mail.texts()[0]


def test_invoices_go_by_their_number_and_the_page_is_named(office: Office) -> None:
    new_invoice(office.database, office.link, 900, state="rejected", outcome="rejected", reason="unbalanced")
    run = reject(office, "900", "901", reason="unbalanced", direction="qms_to_minox")
    end(office, run)
    (text,) = office.mail.texts()
    assert "- invoices F2026-0900: unbalanced" in text
    assert "- invoices 901: unbalanced" in text
    assert text.strip().endswith(f"https://airflow.kantoor.example/minox-qms/links/{office.link}/rejections")
    with office.database.begin() as connection:
        release(connection, run, "invoices", ["900"])
    end(office, new_run(office.database, office.link, "qms_to_minox"))
    assert "- invoices F2026-0900: unbalanced" in office.mail.texts()[1]


def test_a_dry_run_has_no_news(office: Office) -> None:
    reject(office, "1")
    end(office, new_run(office.database, office.link, dry_run=True))
    assert office.mail.mails == []


def test_a_digest_that_could_not_be_mailed_is_mailed_later_and_once(office: Office) -> None:
    office.mail.is_down = True
    end(office, reject(office, "1"))
    office.mail.is_down = False
    office.lapse()
    for _ in range(2):
        end(office, reject(office, "1"))
    assert office.mail.subjects == [f"[minox-qms] {office.link}: 1 afgekeurd / rejected"]
