"""Everything that can be set for one link (one QMS company coupled to one Minox administration).

The names and the defaults are the specification's; each description says what the setting does: the settings page and
the JSON Schema that editors complete from are generated from this module alone.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic needs it at run time
import hashlib
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

import msgspec.structs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from include.wire.qms import WRITABLE, OverviewInvoiceLine

LINE_FIELDS = tuple(field.name for field in msgspec.structs.fields(OverviewInvoiceLine))


def _share(value: Any) -> Any:
    """Read a share written as `25 %`, `25` or `0.25` (numbers up to 1 are fractions, above it percentages)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return value
    text = str(value).strip()
    percent = text.endswith("%")
    try:
        number = Decimal(text.removesuffix("%").strip())
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a share: write 25 %, 25 or 0.25") from error
    return number / 100 if percent or number > 1 else number


def _minutes(value: Any) -> Any:
    """Read minutes written as `60` or `60 min`."""
    return value.strip().removesuffix("min").strip() if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """Read a list; one text stands for a list of one, nothing (or the word `none`) for an empty one."""
    if value is None or value == "none":
        return ()
    return (value,) if isinstance(value, str) else value


Share = Annotated[Decimal, BeforeValidator(_share), Field(ge=0, le=1)]
Minutes = Annotated[Decimal, BeforeValidator(_minutes), Field(ge=0, le=525_600)]
Days = Annotated[int, Field(ge=36, le=36_600)]  # runs make up for those of the last 35 days
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed)]


class _Section(BaseModel):
    """A section of a link's file: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class MinoxSettings(_Section):
    """Which administration of Minox, and how fast it may be asked."""

    conn_id: str = Field(
        min_length=1, description="Airflow connection of type `minox`; holds base URL, client and secret."
    )
    tenant_id: int = Field(ge=1, description="Customer number (klantnummer) that one logs in to Minox with.")
    administration_id: int = Field(ge=1, le=99_999, description="Administration number (administratienummer).")
    requests_per_second: Decimal = Field(
        Decimal(5),
        gt=0,
        le=1000,
        description="Requests a second, over all workers, links and connections of this client id together.",
    )


class QmsSettings(_Section):
    """Which company of QicsMilestones (QMS)."""

    conn_id: str = Field(
        min_length=1, description="Airflow connection of type `qms`; holds base URL, client and secret."
    )
    company_id: int = Field(ge=1, description="CompanyId of the coupled company.")
    qms_concurrency: int = Field(4, ge=1, le=32, description="Writes to QMS that may be under way at once.")


class EntitySettings(_Section):
    """Which master data is brought to QMS; customers always are."""

    vat_codes: bool = Field(default=True, description="VAT codes (btw-codes).")
    cost_centers: bool = Field(default=True, description="Cost centres (kostenplaatsen).")
    payment_terms: bool = Field(default=True, description="Payment terms (betalingscondities).")
    items: bool = Field(default=True, description="Items (artikelen).")


CREATE_DEFAULTS: dict[str, dict[str, Any]] = {
    "VatCode": {"IsDefault": False},
    "ItemCompany": {"AllowPriceModifications": False},
    "CustomerCompany": {"CustomerType": "Customer"},
}


class MasterDataSettings(_Section):
    """Minox to QMS (spec, section 2)."""

    entities: EntitySettings = Field(default=EntitySettings(), description="Which entities are brought over.")
    create_defaults: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        validate_default=True,
        description=(
            "Per QMS entity: values of fields that the mapping does not fill, used on creation only. What is not "
            "named here keeps its default (VatCode.IsDefault false; ItemCompany.AllowPriceModifications false; "
            "CustomerCompany.CustomerType Customer)."
        ),
    )
    invoice_address_same_as_visit: Literal["article", "inverted"] = Field(
        "article",
        description="`article`: true when the street address is filled, as the article says; `inverted`: the opposite.",
    )
    customer_extra_fields: Annotated[tuple[Literal["city"], ...], BeforeValidator(_listed)] = Field(
        (), description="Fields that the article does not name: `city` fills VisitAddressCity and InvoiceAddressCity."
    )
    retry_refused_after: Minutes = Field(
        Decimal(60), description="Minutes after which a record that QMS refused is offered again, unchanged."
    )
    history_days: int = Field(90, ge=1, le=3660, description="Days that the before and after of an update is kept.")

    @field_validator("create_defaults")
    @classmethod
    def _known_defaults(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for entity, fields in value.items():
            if entity not in WRITABLE:
                raise ValueError(f"unknown QMS entity {entity!r}; known: {', '.join(sorted(WRITABLE))}")
            unknown = sorted(set(fields) - set(WRITABLE[entity]))
            if unknown:
                raise ValueError(f"{entity} has no field {unknown[0]!r}; known: {', '.join(WRITABLE[entity])}")
        entities = {**CREATE_DEFAULTS, **value}
        return {
            entity: {**CREATE_DEFAULTS.get(entity, {}), **fields}
            for entity, fields in entities.items()
            if fields or entity in CREATE_DEFAULTS
        }


class BookingSettings(_Section):
    """QMS to Minox (spec, section 3)."""

    journal_code: str = Field(
        "",
        min_length=1,
        max_length=4,
        coerce_numbers_to_str=True,
        description="Journal (dagboek) of the sales entries; nothing can be booked without.",
    )
    debtors_ledger_account: int | None = Field(
        None,
        ge=1,
        le=999_999,
        description="Debtors account (debiteurenrekening); when given, the journal must have it.",
    )
    invoice_states: Texts = Field(
        ("Processed", "Sent"), min_length=1, description="States of an invoice in which it is booked."
    )
    sweep_days: int = Field(
        35, ge=0, le=3660, description="Days that the first run of a day looks back, beside the change log."
    )
    start_date: dt.date | None = Field(None, description="Nothing with an earlier invoice date is ever booked.")
    document_date: Literal["work_in_progress_date", "invoice_date"] = Field(
        "work_in_progress_date",
        description="Which date is the document date; the other one stands in when it is empty.",
    )
    lines: Literal["single", "grouped"] = Field(
        "single", description="One entry line per invoice line, or one per account, VAT percentage and cost centre."
    )
    grouped_description: Texts = Field(
        ("ItemName",),
        min_length=1,
        description="Fields of the invoice line that make the description of a grouped line.",
    )
    surcharge_description: Texts = Field(
        ("ItemName",),
        min_length=1,
        description="Fields of the invoice line that make the description of a surcharge line.",
    )
    cost_centers_on_lines: bool = Field(default=False, description="Send the cost centre (kostenplaats) of a line.")
    percentage_scale: Literal["percent", "fraction"] = Field(
        "percent", description="How QMS gives percentages: 21 (`percent`) or 0.21 (`fraction`)."
    )
    excluded_line_states: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        ("WrittenOff", "Transferred"), description="States of an invoice line that is left out."
    )
    negative_amounts: Literal["signed", "opposite_side"] = Field(
        "signed", description="A negative amount keeps its sign, or is posted as a positive one on the other side."
    )
    send_vat_code: bool = Field(default=False, description="Send the VAT code of a line; Minox advises against it.")
    invoice_number: Literal["digits", "strip_prefix"] = Field(
        "digits", description="How QMS's invoice number becomes Minox's integer."
    )
    check_existing: bool = Field(
        default=True, description="Send nothing for an invoice that Minox has a receivable for already."
    )
    retry_refused_after: Minutes = Field(
        Decimal(60), description="Minutes after which an entry that Minox refused is offered again, unchanged."
    )
    max_run_minutes: Minutes = Field(
        Decimal(12),
        description="Minutes of posting after which a run stops cleanly; the rest is postponed to the next.",
    )
    minox_concurrency: int = Field(
        4,
        ge=1,
        le=8,
        description=(
            "Entries that may be on their way to Minox at once. They go out oldest invoice first, and all requests "
            "together no faster than `minox.requests_per_second`."
        ),
    )
    attach_pdf: bool = Field(default=False, description="Attach the invoice's PDF to the entry in Minox.")
    report_to_qms: bool = Field(
        default=True, description="Report to QMS (EntityState) what became of an invoice, and of a rejected debtor."
    )

    @field_validator("grouped_description", "surcharge_description")
    @classmethod
    def _known_line_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in LINE_FIELDS]
        if unknown:
            raise ValueError(f"unknown line field {unknown[0]!r}; known: {', '.join(LINE_FIELDS)}")
        return value


class CheckSettings(_Section):
    """When a whole batch is held back (spec, section 5)."""

    max_rejected_share: Share = Field(
        Decimal("0.25"),
        description=(
            "Share of a batch of at least 20 records that may be quarantined before it is held back. Not of invoices: "
            "rejected ones are read again in every run, and would hold back the good ones for ever."
        ),
    )
    min_share_of_previous: Share = Field(
        Decimal("0.5"),
        description=(
            "Share of the last good run's number of records that a batch must have at least. Not of invoices, which "
            "come by their date."
        ),
    )


class AlertSettings(_Section):
    """Who is told when something is wrong."""

    email: Texts = Field((), description="Addresses that alerts of this link are mailed to.")
    webhooks: Texts = Field((), description="Airflow connections (type HTTP) of webhooks that alerts are posted to.")
    silence_minutes: int = Field(
        45, ge=15, le=1440, description="Minutes without a good run, within the schedule's window, that raise an alert."
    )


QUARTER_MINUTES = 15


class ScheduleSettings(_Section):
    """When the runs of this link start."""

    offset_minutes: Literal["auto"] | Annotated[int, Field(ge=0, lt=QUARTER_MINUTES)] = Field(
        0,
        description=(
            "Minutes (0 to 14) after the end of its quarter that a run starts, so that many links do not start at "
            "once; `auto` derives them from the link's name. What a run covers does not change."
        ),
    )


class RetentionSettings(_Section):
    """How long the bookkeeping of the runs is kept; the ledger of invoices is kept for ever."""

    outcome_days: Days = Field(400, description="Days that the outcomes of a run are kept (`sync_outcomes`).")
    run_days: Days = Field(
        400,
        description=(
            "Days that a run is kept, at least `outcome_days`; one that gave a record its latest outcome stays."
        ),
    )
    quarantine_days: Days = Field(400, description="Days that a record which has left quarantine is kept there.")
    attempt_days: Days = Field(400, description="Days that requests about an invoice and their answers are kept.")
    incident_days: Days = Field(400, description="Days that an incident which is over is kept.")
    preview_days: int = Field(30, ge=1, le=36_600, description="Days that what a dry run found is kept.")

    @model_validator(mode="after")
    def _runs_outlive_outcomes(self) -> Self:
        if self.run_days < self.outcome_days:
            raise ValueError("run_days must be at least outcome_days: an outcome belongs to its run")
        return self


class LinkSettings(_Section):
    """One link: the whole of its file."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", exclude=True, description="The file's name without `.yaml`."
    )
    minox: MinoxSettings = Field(description="The Minox side.")
    qms: QmsSettings = Field(description="The QMS side.")
    master_data: MasterDataSettings = Field(default=MasterDataSettings(), description="Minox to QMS.")
    bookings: BookingSettings = Field(default=BookingSettings(), description="QMS to Minox.")
    checks: CheckSettings = Field(default=CheckSettings(), description="When a whole batch is held back.")
    alerts: AlertSettings = Field(default=AlertSettings(), description="Who is told when something is wrong.")
    schedule: ScheduleSettings = Field(default=ScheduleSettings(), description="When the runs of this link start.")

    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="How long the bookkeeping of the runs is kept."
    )

    @property
    def connections(self) -> dict[str, str]:
        """The link's Airflow connections, by system (`minox`, `qms`)."""
        return {"minox": self.minox.conn_id, "qms": self.qms.conn_id}

    @property
    def start_minute(self) -> int:
        """Minutes after the end of its quarter that a run of this link starts, 0 to 14."""
        chosen = self.schedule.offset_minutes
        if chosen != "auto":
            return chosen
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8]) % QUARTER_MINUTES
