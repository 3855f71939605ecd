"""Lists and rows of the stand-in for QMS."""

from __future__ import annotations

import pytest

from sandbox.qms.entities import NAMES, entity
from tests.sandbox.support import ODATA, Sandbox, demo


@pytest.mark.parametrize("name", NAMES)
def test_every_list_is_whole_and_in_order_of_its_key(qms: Sandbox, name: str) -> None:
    key = entity(name).key
    rows = qms.rows(name)
    assert len(rows) == len(demo()["qms"][name])
    assert [int(row[key]) for row in rows] == sorted(int(row[key]) for row in rows)


def test_a_page_links_to_the_next_one_with_the_same_query() -> None:
    qms = Sandbox("qms", page_size=5)
    page = qms.get(f"{ODATA}/OverviewInvoice?$filter=CompanyId eq 3L&$inlinecount=allpages")
    assert page["odata.metadata"] == f"http://testserver{ODATA}/$metadata#OverviewInvoice"
    assert page["odata.count"] == "399"
    assert len(page["value"]) == 5
    assert page["odata.nextLink"].startswith(f"http://testserver{ODATA}/OverviewInvoice?")
    following = qms.get(page["odata.nextLink"])
    assert following["value"][0]["InvoiceHeaderId"] == "9006"
    assert following["odata.count"] == "399"


def test_there_is_no_next_link_on_the_last_page_and_no_count_unasked(qms: Sandbox) -> None:
    page = qms.get(f"{ODATA}/Company")
    assert set(page) == {"odata.metadata", "value"}


def test_pages_come_below_top_too() -> None:
    qms = Sandbox("qms", page_size=5)
    page = qms.get(f"{ODATA}/Invoice?$top=12")
    assert "odata.nextLink" in page
    assert [row["InvoiceHeaderId"] for row in qms.rows("Invoice", "?$top=12")] == [str(9001 + n) for n in range(12)]
    assert "odata.nextLink" not in qms.get(f"{ODATA}/Invoice?$top=5")
    assert qms.get(f"{ODATA}/Invoice?$top=0")["value"] == []


def test_skip_leaves_out_the_first_rows() -> None:
    qms = Sandbox("qms", page_size=2)
    rows = qms.rows("Invoice", "?$skip=3&$top=5&$inlinecount=none")
    assert [row["InvoiceHeaderId"] for row in rows] == ["9004", "9005", "9006", "9007", "9008"]


def test_order_by_more_than_one_field(qms: Sandbox) -> None:
    rows = qms.rows("VatCode", "?$orderby=CompanyId desc, Code asc")
    assert [(row["CompanyId"], row["Code"]) for row in rows] == [("4", "1"), ("4", "2"), ("4", "5"), ("3", "1")]
    dates = [row["Date"] for row in qms.get(f"{ODATA}/EntityChange?$orderby=Date desc&$top=50")["value"]]
    assert [date.rstrip("Z") for date in dates] == sorted((date.rstrip("Z") for date in dates), reverse=True)


def test_select_gives_only_the_chosen_fields(qms: Sandbox) -> None:
    answer = qms.client.get(f"{ODATA}/VatCode?$select=VatCodeId, Code&$top=1")
    assert answer.json()["value"] == [{"VatCodeId": "11", "Code": "1"}]


def test_a_filter_over_the_change_log(qms: Sandbox) -> None:
    query = (
        "?$filter=EntityType eq 'InvoiceHeader' and BusinessOperation eq 'Process'"
        " and Date ge datetime'2026-03-01T00:00:00' and Date lt datetime'2026-04-01T00:00:00'"
    )
    found = qms.rows("EntityChange", query)
    assert len(found) > 20
    assert {row["Date"][:7] for row in found} == {"2026-03"}


@pytest.mark.parametrize(
    "query",
    [
        "$filter=Invented eq 1",
        "$filter=substringof('a', Name)",
        "$expand=Lines",
        "$format=json",
        "$orderby=Invented",
        "$orderby=Code down",
        "$select=Invented",
        "$top=-1",
        "$top=x",
        "$skip=1.5",
        "$inlinecount=all",
        "$skiptoken=x",
        "$skiptoken=WzFd.",
        "$top=1&$top=2",
    ],
)
def test_a_query_that_is_not_taken_is_a_400(qms: Sandbox, query: str) -> None:
    assert qms.call("GET", f"{ODATA}/VatCode?{query}").status_code == 400


def test_a_query_of_more_than_2048_characters_is_a_404() -> None:
    qms = Sandbox("qms", page_size=1)
    head = "$filter=Code%20ne%20'"
    longest = head + "x" * (2047 - len(head)) + "'"
    page = qms.get(f"{ODATA}/VatCode?{longest}")
    assert qms.call("GET", page["odata.nextLink"]).status_code == 200
    assert qms.call("GET", f"{ODATA}/VatCode?{longest}&").status_code == 404


@pytest.mark.parametrize("key", ["9001", "9001L"])
def test_a_row_by_its_key(qms: Sandbox, key: str) -> None:
    row = qms.get(f"{ODATA}/Invoice({key})")
    assert row["InvoiceHeaderId"] == "9001"
    assert isinstance(row["VatAmount"], str)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Invoice(1)", 404),
        ("Invoice('a')", 400),
        ("Invoice()", 400),
        ("Project", 404),
        ("VatCode(11)/Name", 404),
        ("VatCode(11)/Pdf", 404),
        ("OverviewInvoice(9001)", 405),
        ("EntityState(1)", 405),
    ],
)
def test_what_is_not_there(qms: Sandbox, path: str, status: int) -> None:
    assert qms.client.get(f"{ODATA}/{path}").status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "VatCode(11)"),
        ("MERGE", "VatCode(11)"),
        ("DELETE", "VatCode(11)"),
        ("POST", "Invoice"),
        ("PUT", "VatCode"),
    ],
)
def test_what_is_not_offered(qms: Sandbox, method: str, path: str) -> None:
    answer = qms.client.request(method, f"{ODATA}/{path}")
    assert answer.status_code == 405
    assert "allow" in answer.headers


def test_without_a_token_there_is_nothing(qms: Sandbox) -> None:
    answer = qms.call("GET", f"{ODATA}/VatCode", headers={"Authorization": ""})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_invoice_as_pdf(qms: Sandbox) -> None:
    answer = qms.call("GET", f"{ODATA}/Invoice(9001)/Pdf")
    assert answer.headers["content-type"] == "application/pdf"
    content = answer.content
    assert content.startswith(b"%PDF-1.4")
    assert b"(Factuur F2026-0001)" in content
    start = int(content.split(b"startxref\n")[1].split(b"\n")[0])
    assert content[start:].startswith(b"xref\n0 6\n")
    for number, entry in enumerate(content[start:].split(b"\n")[3:8], 1):
        assert content[int(entry[:10]) :].startswith(b"%d 0 obj" % number)


def test_there_is_no_pdf_before_an_invoice_is_processed(qms: Sandbox) -> None:
    proposal = next(row for row in demo()["qms"]["Invoice"] if row["InvoiceHeaderState"] == "Proposal")
    key = proposal["InvoiceHeaderId"]
    assert qms.call("GET", f"{ODATA}/Invoice({key})/Pdf").status_code == 404
    qms.control("POST", "rows", {"process": int(key)})
    assert qms.call("GET", f"{ODATA}/Invoice({key}L)/Pdf").status_code == 200


def test_raw_rows_are_served_as_they_are() -> None:
    raw = [{"VatCodeId": {"wrong": 1}}, {"Code": 7}, {"VatCodeId": "1", "Extra": None}, {"VatCodeId": "1"}]
    qms = Sandbox("qms", dataset={"qms": {"VatCode": raw}})
    assert qms.client.get(f"{ODATA}/VatCode").json()["value"] == raw
