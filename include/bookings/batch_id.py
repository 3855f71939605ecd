"""The id of an invoice's batch in Minox: the same invoice has the same id for ever (specification, section 3)."""

from __future__ import annotations

import uuid

from include.wire.text import whole_number


def batch_id(
    tenant: int | str, administration: int | str, company: int | str, invoice_header_id: float | str
) -> uuid.UUID:
    """Derive the id of the batch of one invoice.

    It is the UUIDv5 in the URL namespace of `minox:{tenant}/{administration}/qms:{company}/{InvoiceHeaderId}`, all
    four as decimal numbers, whichever way they were written.

    Args:
        tenant: Minox customer number (klantnummer).
        administration: Minox administration number.
        company: QMS CompanyId.
        invoice_header_id: QMS InvoiceHeaderId.

    Returns:
        The id.

    Raises:
        ValueError: One of the four is not a whole number.
    """
    numbers = [whole_number(value) for value in (tenant, administration, company, invoice_header_id)]
    if None in numbers:
        raise ValueError("a batch id needs tenant, administration, company and InvoiceHeaderId")
    name = "minox:{}/{}/qms:{}/{}".format(*numbers)
    return uuid.uuid5(uuid.NAMESPACE_URL, name)
