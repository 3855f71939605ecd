"""Rounding differences between QMS's totals and the computed lines (specification, section 3, "Balance").

QMS rounds its totals in its own way; the header of an entry carries those totals, and the lines are computed. A few
cents are rounding and are put where they weigh least; anything else is somebody's mistake, and is not posted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Cent:
    """One cent that rounding put on a line of the entry.

    Attributes:
        line: Index of the line in the entry; the header is 0.
        field: The field as it was sent: `credit`, `debit` or `vat.amount`.
        cents: +1 or -1, as added to that field.
    """

    line: int
    field: str
    cents: int


def spread(difference: int, amounts: Sequence[int], eligible: Sequence[int]) -> tuple[int, ...] | None:
    """Choose the lines that take one cent of a difference each.

    Args:
        difference: QMS's total less the sum of the lines, in cents.
        amounts: The amounts of all lines, in cents.
        eligible: Indices of the lines that may take a cent, in line order.

    Returns:
        The chosen indices, in line order: the largest amounts by absolute value, ties in line order. None when there
        are more cents than lines: then it is no rounding.
    """
    count = abs(difference)
    if count > len(eligible):
        return None
    ranked = sorted(eligible, key=lambda index: -abs(amounts[index]))
    return tuple(sorted(ranked[:count]))


@dataclass(frozen=True, slots=True)
class Balance:
    """How the computed lines compare with QMS's totals; all in cents.

    Attributes:
        net: Sum of the lines' amounts.
        vat: Sum of the lines' VAT.
        net_difference: QMS's net total less `net`.
        vat_difference: QMS's VAT total less `vat`.
        net_lines: Lines that take a cent of the net difference; None when it is no rounding.
        vat_lines: Lines that take a cent of the VAT difference; None when it is no rounding.
        net_limit: Largest net difference that would be rounding.
        vat_limit: Largest VAT difference that would be rounding.
    """

    net: int
    vat: int
    net_difference: int
    vat_difference: int
    net_lines: tuple[int, ...] | None
    vat_lines: tuple[int, ...] | None
    net_limit: int
    vat_limit: int


def compare(net_total: int, vat_total: int, nets: Sequence[int], vats: Sequence[int], taxed: Sequence[bool]) -> Balance:
    """Compare lines with totals, net and VAT separately.

    "A difference of at most one cent per line behind the header (for VAT: per line with a VatPercentage other than
    0) is rounding."

    Args:
        net_total: AmountWithoutVat, in cents.
        vat_total: VatAmount, in cents.
        nets: The lines' amounts, in cents, in line order, without the header.
        vats: The lines' VAT, in cents.
        taxed: Per line whether its VatPercentage is other than 0.

    Returns:
        The comparison.
    """
    with_vat = [index for index, is_taxed in enumerate(taxed) if is_taxed]
    net, vat = sum(nets), sum(vats)
    net_difference, vat_difference = net_total - net, vat_total - vat
    return Balance(
        net=net,
        vat=vat,
        net_difference=net_difference,
        vat_difference=vat_difference,
        net_lines=spread(net_difference, nets, range(len(nets))),
        vat_lines=spread(vat_difference, vats, with_vat),
        net_limit=len(nets),
        vat_limit=len(with_vat),
    )
