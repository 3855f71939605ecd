"""What people do on the page: done in the ledger, with their name, and told to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from include.storage.tables import binding, booking, person_action
from tests.page.records import EVIL, KEY, LINK, invoice, put_invoice, run_time

if TYPE_CHECKING:
    from tests.page.conftest import Site, Visitor


def _invoice(site: Site, number: int) -> Any:
    with site.database.connect() as connection:
        return connection.execute(sa.select(booking).where(booking.c.invoice_header_id == number)).one()


def _people(site: Site, key: str) -> list[tuple[str, str, str | None]]:
    with site.database.connect() as connection:
        query = sa.select(person_action.c.action, person_action.c.person, person_action.c.reason)
        return [tuple(row) for row in connection.execute(query.where(person_action.c.source_key == key).order_by("id"))]


def test_an_invoice_is_excluded_taken_back_and_offered_again(site: Site, admin: Visitor) -> None:
    put_invoice(site.database, 9101, "rejected", "rejected", reason="unbalanced")
    path = f"/links/{LINK}/invoices/9101"
    assert 'action="/minox-qms/links/page/invoices/9101/exclude"' in admin.page(path)
    answer = admin.post(f"{path}/exclude", {"reason": "booked by hand"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/minox-qms{path}?done=exclude")
    row = _invoice(site, 9101)
    assert (row.state, row.excluded_by, row.excluded_reason) == ("excluded", "admin", "booked by hand")
    text = admin.page(f"{path}?done=exclude")
    assert "It is not booked." in text
    assert "/include" in text
    assert "/reoffer" not in text
    assert admin.post(f"{path}/include", {"reason": "after all"}).status_code == 303
    assert (_invoice(site, 9101).state, _invoice(site, 9101).reoffer) == ("open", True)
    assert admin.post(f"{path}/reoffer").status_code == 303
    assert _people(site, "9101") == [
        ("exclude", "admin", "booked by hand"), ("include", "admin", "after all"), ("reoffer", "admin", None),
    ]  # fmt: skip
    assert "It is offered again by the next run." in admin.page(path)


def test_what_a_person_said_stands_before_the_next_run(site: Site, admin: Visitor) -> None:
    reasons = [{"code": "unbalanced", "field": "lines", "message": "21.00 and 20.00"}]
    put_invoice(
        site.database, 9106, "rejected", "rejected", reason="unbalanced", reasons=reasons, message="It differs."
    )
    path = f"/links/{LINK}/invoices/9106"

    def found(outcome: str) -> bool:
        return "/invoices/9106" in admin.page(f"/links/{LINK}/invoices?number=f2026-9106&outcome={outcome}")

    assert (found("rejected"), found("excluded")) == (True, False)
    admin.post(f"{path}/exclude", {"reason": "booked by hand"})
    assert (found("rejected"), found("excluded")) == (False, True)
    text = admin.page(path)
    assert re.search(r"<h1>Invoice F2026-9106 <span[^>]*>excluded</span>", text)
    assert "A person said that the invoice is not to be booked." in text
    for said in ("looked at again every run", "21.00 and 20.00", "It differs."):
        assert said not in text
    put_invoice(
        site.database, 9106, "excluded", "excluded", excluded_by="admin", excluded_reason="twice",
        message="Excluded by admin: twice",
    )  # fmt: skip
    assert admin.page(path).count("xcluded by") == 1
    admin.post(f"{path}/include", {"reason": "after all"})
    assert (found("postponed"), found("excluded"), found("reoffer")) == (False, False, True)
    text = admin.page(path)
    assert re.search(r"<h1>Invoice F2026-9106 <span[^>]*>offered again</span>", text)
    assert "It is offered again by the next run." in text
    for said in ("time was up", "Offered again by admin"):
        assert said not in text


def test_a_refusal_is_told_once(admin: Visitor) -> None:
    text = admin.page(f"/links/{LINK}/invoices/9003")
    main = re.sub(r'title="[^"]*"', "", text)
    assert main.count("Minox refused the entry") == 1


def test_what_cannot_be_done_is_said(site: Site, admin: Visitor) -> None:
    put_invoice(site.database, 9102, "booked", "booked")
    path = f"/links/{LINK}/invoices/9102"
    assert "<button" not in admin.page(path)
    for action in ("exclude", "reoffer", "include"):
        answer = admin.post(f"{path}/{action}", {"reason": "because"})
        assert answer.status_code == 400
        assert "F2026-9102" in answer.text
    put_invoice(site.database, 9103, "rejected", "rejected")
    answer = admin.post(f"/links/{LINK}/invoices/9103/exclude", {"reason": "  "})
    assert (answer.status_code, "Say why" in answer.text) == (400, True)
    assert admin.post(f"/links/{LINK}/invoices/424242/reoffer").status_code == 400
    assert admin.post(f"/links/{LINK}/invoices/9103/exclude", {"reason": "x" * 1001}).status_code == 400
    assert _people(site, "9102") == _people(site, "9103") == []


def test_records_are_offered_again(site: Site, admin: Visitor) -> None:
    with site.database.begin() as connection:
        row = {"link": LINK, "entity": "items", "read_at": run_time(), "refused_hash": b"1"}
        connection.execute(sa.insert(binding), [{**row, "source_key": key} for key in ("A1", "A2")])
    answer = admin.post(f"/links/{LINK}/record/reoffer", {"entity": "customers", "key": KEY, "reason": EVIL})
    assert answer.status_code == 303
    assert _people(site, KEY) == [("reoffer", "admin", EVIL)]

    def offered(query: str) -> set[str]:
        text = admin.page(f"/links/{LINK}/rejections{query}")
        return set(re.findall(r"Everything that was refused: (\w+)", text))

    assert offered("") >= {"Items", "Customers", "Invoices"}
    assert offered("?entity=items") == {"Items"}
    assert offered("?entity=vat_codes") == offered("?solved=true") == set()
    answer = admin.post(f"/links/{LINK}/reoffer-refused", {"entity": "items"})
    assert answer.headers["Location"].endswith("done=reoffer-2")
    assert "2 are offered again by the next run." in admin.page(f"/links/{LINK}/rejections?entity=items&done=reoffer-2")
    assert _people(site, "A1") == _people(site, "A2") == [("reoffer", "admin", None)]
    put_invoice(site.database, 9104, "refused", "refused_by_minox")
    assert admin.post(f"/links/{LINK}/reoffer-refused", {"entity": "invoices"}).status_code == 303
    assert _invoice(site, 9104).reoffer
    for form in ({"entity": "customers", "key": "none"}, {"entity": "invoices", "key": "9104"}):
        assert admin.post(f"/links/{LINK}/record/reoffer", form).status_code == 400


def test_a_viewer_sees_no_buttons(site: Site, viewer: Visitor) -> None:
    put_invoice(site.database, 9105, "rejected", "rejected")
    for path in ("invoices/9105", "rejections", "rejections?entity=customers", "connections"):
        text = viewer.page(f"/links/{LINK}/{path}")
        assert 'method="post"' not in text
        assert "form_token" not in text
    assert "one must be allowed to edit this connection" in viewer.page(f"/links/{LINK}/connections")


def test_invoices_are_found(site: Site, admin: Visitor) -> None:
    with site.database.begin() as connection:
        rows = [
            invoice(20_000 + place, "booked", "booked", customer=30_000 + place % 3, total=f"{place}.50")
            for place in range(120)
        ]
        connection.execute(sa.insert(booking), rows)

    def found(query: str) -> list[int]:
        text = admin.page(f"/links/{LINK}/invoices?{query}")
        return [int(number) for number in re.findall(r'/invoices/(\d+)"', text)]

    assert found("number=F2026-20007") == found("number=20280007") == [20_007]
    assert found("number=F2026-2001&customer=30001") == [20_019, 20_016, 20_013, 20_010]
    assert found("amount_from=117,5&amount_to=118.50&customer=") == [20_118, 20_117]
    assert found("customer=30000&from_date=2026-03-02") == []
    assert found("number=f2026-20007") == [20_007]
    put_invoice(site.database, 9107, "refused", "refused_by_minox", total="1234.56")
    put_invoice(site.database, 9108, "booked", "booked", total="1234.56")
    for amount in ("1\u202f234.56", "1 234,56", "1.234,56", "1,234.56", "1234.56", "1234,56"):
        assert found(f"amount_from={amount}&amount_to={amount}") == [9108, 9107], amount
    assert found("amount_from=1.234&amount_to=1.235") == [9108, 9107]
    assert found("amount_from=1.234&amount_to=1.235&open=true") == [9107]
    assert f'href="/minox-qms/links/{LINK}/invoices?open=true"' in admin.page(f"/links/{LINK}")
    assert admin.get(f"/links/{LINK}/invoices?amount_from=1.2,3,4").status_code == 400
    first = admin.page(f"/links/{LINK}/invoices?number=F2026-20&outcome=booked")
    (after,) = re.findall(r'href="\?([^"]*after=[^"]*)"', first)
    assert "number=F2026-20" in after
    second = found(after.replace("&amp;", "&"))
    assert found("number=F2026-20&outcome=booked")[-1] - 1 == second[0]
    assert len(second) == 50


def test_the_page_leads_from_airflow_and_back(admin: Visitor) -> None:
    answer = admin.get(f"/dag/qms_invoices__{LINK}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/minox-qms/links/{LINK}")
    assert admin.get(f"/dag/reconcile__{LINK}").headers["Location"] == f"/minox-qms/links/{LINK}/reconciliation"
    assert "nothing to tell about this DAG" in admin.page("/dag/somebody_elses")
    for dag_id in ("minox_qms_watch", "minox_qms_maintenance"):
        assert "it belongs to no single link" in admin.page(f"/dag/{dag_id}")
    assert admin.get(f"/dag/qms_invoices__{LINK}/run/none").status_code == 404
    text = admin.page(f"/links/{LINK}/invoices/9002")
    assert re.search(rf'<a data-top href="/dags/qms_invoices__{LINK}/runs/manual__[^/"]+/tasks/book">', text)


def test_the_page_speaks_both_languages(admin: Visitor) -> None:
    path = f"/links/{LINK}/invoices/9002"
    english = "The lines differ from the totals of the invoice by more than rounding."
    dutch = "De regels wijken meer dan een afronding af van de totalen van de factuur."
    assert english in admin.page(path)
    assert dutch in admin.page(path, **{"Accept-Language": "nl-NL,nl;q=0.9,en;q=0.8"})
    assert dutch in admin.page(f"{path}?lang=nl")
    assert dutch in admin.page(path)  # it is remembered
    assert english in admin.page(f"{path}?lang=en")


def test_what_is_wrong_is_said_in_dutch_as_well(admin: Visitor) -> None:
    for path, status, said in (
        ("/nowhere", 404, "Op dit adres is geen bladzijde."),
        (f"/links/{LINK}/record?entity=invoices&key=x1", 404, "Hierover is niets bekend: Facturen x1"),
        (f"/links/{LINK}/invoices/424242", 404, "Hierover is niets bekend: Facturen id 424242"),
        (f"/links/{LINK}/runs/424242", 404, "Hierover is niets bekend: run 424242"),
        (f"/dag/qms_invoices__{LINK}/run/none", 404, "Hierover is niets bekend: run none"),
        (f"/links/{LINK}/runs/x", 400, "Dit is niet leesbaar: Nummer"),
    ):
        answer = admin.get(path, **{"Accept-Language": "nl"})
        assert (answer.status_code, said in answer.text) == (status, True), path


def test_a_broken_file_of_a_link_leaves_the_others(site: Site, admin: Visitor) -> None:
    broken = site.links / "torn.yaml"
    broken.write_text("minox: [", encoding="utf-8")
    try:
        text = admin.page("/")
        assert "torn.yaml cannot be read" in text
        assert f'href="/minox-qms/links/{LINK}"' in text
        answer = admin.get("/links/torn")
        assert (answer.status_code, "torn.yaml cannot be read" in answer.text) == (503, True)
        assert "Not found" not in answer.text  # it is there, and wrong
    finally:
        broken.unlink()
