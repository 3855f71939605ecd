"""Items (artikelen): Minox `item` and `item_group` → QMS `ItemCompany`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.checks.suite import Checks, Filled, Matches
from include.mapping.convert import not_blocked
from include.mapping.field import Computed, Constant, Field, Noted, Reference
from include.mapping.mapper import Mapping
from include.wire.minox import Blocked, Item, ItemGroup, Text
from include.wire.text import MAX_KEY, identifier, text

if TYPE_CHECKING:
    from include.mapping.context import MappingContext
    from include.wire import minox


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item as the rows below read it, with its group under one name.

    Attributes:
        id: As in Minox; text, of which leading zeros count.
        description: As in Minox.
        blocked: As in Minox.
        unit_packaging: As in Minox.
        vat: As in Minox.
        group: Id of the item group: `item_group.id`, else `item_group_id`.
    """

    id: Text
    description: Text
    blocked: Blocked | bool | None
    unit_packaging: Text
    vat: minox.Reference | None
    group: str | None


def key(item: Item) -> str | None:
    """The item's id: text, trimmed."""
    return text(item.id)


def view(item: Item) -> ItemView:
    """Find the item's `group`, which a path starts from.

    The specification: "The item group is `item_group.id`; `item_group_id` is accepted as well."
    """
    nested = identifier(item.item_group.id) if item.item_group is not None else None
    group = nested if nested is not None else identifier(item.item_group_id)
    return ItemView(item.id, item.description, item.blocked, item.unit_packaging, item.vat, group)


def item_type(unit_packaging: Text) -> str:
    """Tell hours from expenses.

    The article: 'Wanneer unit_packaging "uur" is, dan is het ItemType Hours. In andere gevallen is het Expenses'. Case
    and surrounding white space do not count.
    """
    return "Hours" if (text(unit_packaging) or "").casefold() == "uur" else "Expenses"


def revenue_account(item: ItemView, context: MappingContext) -> Noted:
    """Find the revenue account in the item's group.

    The article: 'De itemgroup wordt gezocht op basis van item_group.id. GLAccountRevenue wordt opgehaald uit deze groep
    uit de categorie "ledger_account.sales_revenue_nl"'. Without it the item is loaded all the same, with a warning.
    """
    if item.group is None:
        return Noted(None, "The item has no item group, so it has no revenue account.")
    group = context.item_groups.get(item.group)
    if group is None:
        return Noted(
            None,
            f"Item group {item.group} is not usable or not in Minox, so the item has no revenue account.",
        )
    accounts = group.ledger_accounts
    revenue = accounts.sales_revenue_nl if accounts is not None else None
    account = identifier(revenue.id) if revenue is not None else None
    if account is None:
        return Noted(
            None, f"Item group {item.group} has no revenue account (sales_revenue_nl), so neither has the item."
        )
    return Noted(account)


MAPPING = Mapping(
    entity="items",
    minox="item",
    qms="ItemCompany",
    title="Items",
    struct=Item,
    key=key,
    code_field="ItemCode",
    key_field="ItemCompanyId",
    view=view,
    reads=("item_group",),
    fields=(
        Field(
            "IsActive", "blocked", not_blocked,
            rule="not blocked", article="ItemResponse.blocked → Item.IsActive",
        ),
        Field(
            "ItemCode", "id", text, "missing_id",
            rule="id", article="ItemResponse.id → Item.ItemCode",
        ),
        Field(
            "Name", "description", text, "missing_name",
            rule="description", article="ItemResponse.description → Item.Name",
        ),
        Field(
            "ItemType", "unit_packaging", item_type,
            rule='`Hours` when unit_packaging is "uur" (case and surrounding white space ignored), else `Expenses`',
            article="ItemResponse.unit_packaging → Item.ItemType",
        ),
        Constant("AllowTimeEntry", value=True, rule="true", article="true → Item.AllowTimeEntry"),
        Constant("WillBeInvoiced", value=True, rule="true", article="true → Item.WillBeInvoiced"),
        Reference(
            "VatCodeId", "vat.id", to="vat_codes", name="VAT code",
            rule="the QMS id of the VAT code whose Code is vat.id; no vat: null",
            article="ItemResponse.Vat.id → Item.VatCodeId",
        ),
        Computed(
            "GLAccountRevenue", "group", revenue_account,
            rule="item group → ledger_accounts.sales_revenue_nl.id, as text; none: null, with a warning on the record",
            article="ItemResponse.item_group_id → Item.GLAccountRevenue",
        ),
    ),
)  # fmt: skip

CHECKS = Checks(
    table="items",
    struct=Item,
    records=(
        Filled("missing_id", "id"),
        Matches("wrong_type", "id", f"[\\s\\S]{{1,{MAX_KEY}}}", f"The id has more than {MAX_KEY} characters."),
        Filled("missing_name", "description"),
    ),
    required=("id", "description"),
)


def group_key(group: ItemGroup) -> str | None:
    """The item group's id in its canonical text."""
    return identifier(group.id)


GROUP_CHECKS = Checks(
    table="item_groups",
    struct=ItemGroup,
    records=(
        Filled("missing_id", "id"),
        Matches("wrong_type", "id", "-?[0-9]{1,30}", "The id of the item group is not a whole number."),
    ),
    required=("id", "description"),
)
"""Checks of the item groups: a bad group is one that no item finds; without groups at all no item is loaded."""
