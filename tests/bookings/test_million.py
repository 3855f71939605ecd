"""Random invoices: every result is what a second, independent reading of the specification says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from include.bookings.entry import Entry, build_entry
from include.bookings.reasons import ORDER
from tests.bookings import million
from tests.bookings.oracle import balance_of, judge, sent_lines
from tests.bookings.samples import VARIANTS, case_of, context_of, invoice_of, line_of, settings_of

if TYPE_CHECKING:
    import pytest


def test_twenty_thousand_invoices() -> None:
    kinds, faults = million.run(20_000, seed=2026)
    assert faults == []
    assert kinds["balanced"] > 10_000
    assert 0 < kinds["balanced, with cents of rounding"] < kinds["balanced"]
    seen = {kind.removeprefix("rejected: ") for kind in kinds if kind.startswith("rejected")}
    assert seen == set(ORDER) - {"invoice_number_collision"}


def test_the_command_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert million.main(["--count", "200", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "balanced" in printed
    assert "200  invoices in" in printed
    assert printed.rstrip().endswith("0 wrong")


def test_the_run_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(invoice: Any, chosen: Any, context: Any) -> Any:
        return build_entry(invoice, chosen.model_copy(update={"lines": "single"}), context)

    monkeypatch.setattr(million, "build_entry", careless)
    _, faults = million.run(200, seed=3)
    assert faults
    assert faults[0].startswith("seed 3, case ")


AMOUNTS = st.decimals(min_value=-10_000, max_value=10_000, places=4).map(str)
RATES = st.sampled_from(["0", "6", "9.00", "21", "21.00", "100", "0.5"])
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "Quantity": AMOUNTS,
            "Price": AMOUNTS,
            "IrregularityAmount": st.none() | AMOUNTS,
            "VatPercentage": RATES,
            "ItemCompanyGLAccountRevenue": st.sampled_from(["8000", "8001"]),
            "CostCenterCode": st.sampled_from([None, "110", "120"]),
            "VatCodeCode": st.sampled_from([None, "1", "2"]),
            "SurchargePercentage": st.none() | st.sampled_from(["0", "5", "-7.25", "100"]),
            "SurchargeItemCompanyGLAccountRevenue": st.sampled_from(["8900", "8901"]),
            "Description": st.text(max_size=300),
            "ItemName": st.none() | st.text(max_size=200),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=300)
@given(LINES, st.sampled_from(VARIANTS), st.integers(-7, 7), st.integers(-7, 7))
def test_what_is_sent_balances_to_the_cent_and_what_is_not_is_unbalanced(
    lines: list[dict[str, Any]], variant: dict[str, Any], net_cents: int, vat_cents: int
) -> None:
    numbered = [line_of(number, **line) for number, line in enumerate(lines, start=1)]
    probe = case_of(numbered, "0", "0", InvoiceNumber="F12")
    net, vat = computed_totals(probe, variant)
    case = case_of(numbered, cents_text(net + net_cents), cents_text(vat + vat_cents), InvoiceNumber="F12")
    result = build_entry(invoice_of(case), settings_of(**variant), context_of(case))
    assert judge(case, variant, result) is None
    if isinstance(result, Entry):
        assert balance_of(sent_lines(result.body())) == 0
        assert len(result.rounding) == abs(net_cents) + abs(vat_cents)
    else:
        assert result.reason == "unbalanced"
        assert net_cents or vat_cents


def computed_totals(case: dict[str, Any], variant: dict[str, Any]) -> tuple[int, int]:
    """What the lines add up to, in cents, read from the message that refuses totals far away."""
    far = {**case, "totals": {"VatAmount": "99999999999999", "AmountWithoutVat": "99999999999999"}}
    result = build_entry(invoice_of(far), settings_of(**variant), context_of(far))
    assert not isinstance(result, Entry)
    net, _, vat = result.message.partition("add up to ")[2].partition(";")[0].partition(" and ")
    return round(float(net) * 100), round(float(vat) * 100)


def cents_text(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
