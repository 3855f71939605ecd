"""Outcomes and reasons in plain words, in English and in Dutch: for pages, alerts and `docs/outcomes.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["en", "nl"]


@dataclass(frozen=True, slots=True)
class Words:
    """What a code means, and what is to be done about it; both sentences in both languages.

    Attributes:
        en: What it means.
        nl: The same, in Dutch.
        todo_en: What to do; empty: nothing.
        todo_nl: The same, in Dutch.
    """

    en: str
    nl: str
    todo_en: str = ""
    todo_nl: str = ""

    def say(self, language: Language) -> str:
        """Say what it means."""
        return self.nl if language == "nl" else self.en

    def advise(self, language: Language) -> str:
        """Say what to do; empty when there is nothing to do."""
        return self.todo_nl if language == "nl" else self.todo_en


OUTCOMES: dict[str, Words] = {
    "created": Words(
        "The record was new, and is in QMS now.",
        "Het record was nieuw en staat nu in QMS.",
    ),
    "updated": Words(
        "A coupled field had another value in Minox, and QMS has that value now.",
        "Een gekoppeld veld had in Minox een andere waarde; QMS heeft die nu ook.",
    ),
    "unchanged": Words(
        "QMS has the record as it should be; nothing was written.",
        "QMS heeft het record zoals het hoort; er is niets geschreven.",
    ),
    "booked": Words(
        "Minox has the entry of the invoice under the connector's own id.",
        "Minox heeft de boeking van de factuur, onder het eigen kenmerk van de koppeling.",
    ),
    "already_booked": Words(
        "Minox has a receivable of this debtor with this invoice number that the connector did not make; nothing was "
        "sent.",
        "Minox heeft al een openstaande post van deze debiteur met dit factuurnummer, die niet van de koppeling komt; "
        "er is niets verstuurd.",
        "Nothing, when it was booked by hand. Otherwise mend it in Minox and re-offer the invoice.",
        "Niets, als de factuur met de hand geboekt is. Zet het anders recht in Minox en bied de factuur opnieuw aan.",
    ),
    "skipped": Words(
        "The invoice was written off completely: there is nothing to book.",
        "De factuur is volledig afgeboekt: er valt niets te boeken.",
    ),
    "rejected": Words(
        "The record cannot be used as it is; its reasons say why. It is looked at again every run.",
        "Het record is zo niet bruikbaar; de redenen zeggen waarom. Elke run kijkt er opnieuw naar.",
        "Mend it where it comes from; the next run takes it up by itself.",
        "Herstel het bij de bron; de volgende run neemt het vanzelf mee.",
    ),
    "refused_by_minox": Words(
        "Minox refused the entry, with the message that is shown.",
        "Minox heeft de boeking geweigerd, met de melding die erbij staat.",
        "Mend what the message says. The entry is offered again when it differs, after an hour, or when you re-offer "
        "it.",
        "Herstel wat de melding noemt. De boeking gaat opnieuw zodra zij anders is, na een uur, of als u haar opnieuw "
        "aanbiedt.",
    ),
    "changed_after_booking": Words(
        "The invoice was changed in QMS after it was booked; the booking was left as it is.",
        "De factuur is in QMS gewijzigd nadat zij geboekt was; de boeking is gelaten zoals zij is.",
        "Compare the two, and correct the entry in Minox by hand where that is needed.",
        "Vergelijk beide en corrigeer de boeking zo nodig met de hand in Minox.",
    ),
    "excluded": Words(
        "A person said that the invoice is not to be booked.",
        "Iemand heeft bepaald dat de factuur niet geboekt wordt.",
    ),
    "postponed": Words(
        "The run's time was up before this invoice, or a later run has read it anew; the next run goes on with it.",
        "De tijd van de run was om, of een latere run heeft deze factuur opnieuw gelezen; de volgende run gaat ermee "
        "verder.",
    ),
    "in_doubt": Words(
        "The entry went out and its answer was lost; the next run looks it up before anything is sent again.",
        "De boeking is verstuurd en het antwoord ging verloren; de volgende run zoekt haar op voordat er opnieuw iets "
        "wordt verstuurd.",
    ),
    "failed": Words(
        "A technical failure came between; it is tried again by itself.",
        "Er kwam een technische storing tussen; het wordt vanzelf opnieuw geprobeerd.",
        "Nothing, unless it goes on: then read the message.",
        "Niets, tenzij het aanhoudt: lees dan de melding.",
    ),
}
"""What became of a record in a run (specification, section 6)."""

REASONS: dict[str, Words] = {
    "missing_customer_code": Words(
        "The debtor has no code, or one that is not a whole number of 1 to 999999.",
        "De debiteur heeft geen code, of een die geen heel getal van 1 tot en met 999999 is.",
        "Give the customer its Minox number in QMS.",
        "Geef de klant in QMS het debiteurnummer van Minox.",
    ),
    "invoice_number_not_usable": Words(
        "The invoice number gives no whole number that Minox takes.",
        "Het factuurnummer levert geen heel getal op dat Minox accepteert.",
        "Mend the number in QMS, or the setting invoice_number.",
        "Herstel het nummer in QMS, of de instelling invoice_number.",
    ),
    "invoice_number_collision": Words(
        "Another invoice of this link has the same number in Minox.",
        "Een andere factuur van deze koppeling heeft in Minox hetzelfde nummer.",
        "Give one of the two another number in QMS.",
        "Geef een van beide in QMS een ander nummer.",
    ),
    "missing_date": Words(
        "The invoice has neither a work-in-progress date nor an invoice date.",
        "De factuur heeft geen onderhandenwerkdatum en geen factuurdatum.",
        "Fill one of the dates in QMS.",
        "Vul een van beide datums in QMS.",
    ),
    "no_lines": Words(
        "The invoice has no line that is to be posted.",
        "De factuur heeft geen regel die geboekt moet worden.",
        "Look at the states of its lines in QMS, or exclude it.",
        "Bekijk de status van de regels in QMS, of sluit de factuur uit.",
    ),
    "incomplete_line": Words(
        "A line has no quantity, price or VAT percentage.",
        "Een regel heeft geen aantal, prijs of btw-percentage.",
        "Complete the line in QMS.",
        "Maak de regel compleet in QMS.",
    ),
    "missing_revenue_account": Words(
        "A line, or its surcharge, has no ledger account that Minox takes (1 to 999999).",
        "Een regel, of de toeslag daarop, heeft geen grootboekrekening die Minox accepteert (1 tot en met 999999).",
        "Give the item's group a revenue account in Minox; it comes to QMS with the next run.",
        "Geef de artikelgroep in Minox een omzetrekening; die komt met de volgende run in QMS.",
    ),
    "invalid_vat_code": Words(
        "VAT codes are sent, and that of a line is not a whole number.",
        "Btw-codes worden meegestuurd, en die van een regel is geen heel getal.",
        "Mend the VAT code in QMS, or switch send_vat_code off.",
        "Herstel de btw-code in QMS, of zet send_vat_code uit.",
    ),
    "invalid_cost_center": Words(
        "Cost centres are sent, and that of a line is not a whole number.",
        "Kostenplaatsen worden meegestuurd, en die van een regel is geen heel getal.",
        "Mend the cost centre in QMS, or switch cost_centers_on_lines off.",
        "Herstel de kostenplaats in QMS, of zet cost_centers_on_lines uit.",
    ),
    "foreign_currency": Words(
        "The invoice is in another currency than the administration.",
        "De factuur is in een andere valuta dan de administratie.",
        "Book it by hand, and exclude it here.",
        "Boek haar met de hand en sluit haar hier uit.",
    ),
    "fiscal_year_missing": Words(
        "The document date is in no fiscal year of the administration.",
        "De boekdatum valt in geen boekjaar van de administratie.",
        "Open the fiscal year in Minox; the invoice follows by itself.",
        "Open het boekjaar in Minox; de factuur volgt vanzelf.",
    ),
    "unbalanced": Words(
        "The lines differ from the totals of the invoice by more than rounding.",
        "De regels wijken meer dan een afronding af van de totalen van de factuur.",
        "Compare both in QMS; the message holds the amounts.",
        "Vergelijk beide in QMS; de melding noemt de bedragen.",
    ),
    "missing_totals": Words(
        "QMS gave no totals for the invoice.",
        "QMS gaf geen totalen van de factuur.",
        "Open and save the invoice in QMS.",
        "Open de factuur in QMS en sla haar op.",
    ),
    "missing_id": Words(
        "The record has no id; it is named by its place in the list.",
        "Het record heeft geen id; het wordt genoemd met zijn plaats in de lijst.",
        "Report it to the supplier of the system it comes from.",
        "Meld het bij de leverancier van het systeem waar het vandaan komt.",
    ),
    "missing_name": Words(
        "The name is blank, and QMS requires one.",
        "De naam is leeg, en QMS eist er een.",
        "Fill the description in Minox.",
        "Vul de omschrijving in Minox.",
    ),
    "nameless_debtor": Words(
        "The debtor has no name in its postal address.",
        "De debiteur heeft geen naam in het postadres.",
        "Fill the name of the postal address in Minox.",
        "Vul de naam van het postadres in Minox.",
    ),
    "missing_value": Words(
        "A field that must be filled is empty; the finding names it.",
        "Een veld dat gevuld moet zijn is leeg; de bevinding noemt het.",
        "Fill the field where the record comes from.",
        "Vul het veld bij de bron.",
    ),
    "wrong_type": Words(
        "A value is of the wrong type, or cannot be read; the finding names its field.",
        "Een waarde is van het verkeerde soort of niet leesbaar; de bevinding noemt het veld.",
        "Mend the value where the record comes from.",
        "Herstel de waarde bij de bron.",
    ),
    "percentage_out_of_range": Words(
        "The percentage is not within 0 to 100.",
        "Het percentage ligt niet tussen 0 en 100.",
        "Mend the percentage in Minox.",
        "Herstel het percentage in Minox.",
    ),
    "negative_days": Words(
        "The payment term has a negative number of days.",
        "De betalingsconditie heeft een negatief aantal dagen.",
        "Mend the number of days in Minox.",
        "Herstel het aantal dagen in Minox.",
    ),
    "unresolved_reference": Words(
        "The record refers to a code that QMS does not have.",
        "Het record verwijst naar een code die QMS niet heeft.",
        "Nothing, when that code is rejected itself: mend that one, and this record follows by itself.",
        "Niets, als die code zelf is afgekeurd: herstel die, en dit record volgt vanzelf.",
    ),
    "refused_by_qms": Words(
        "QMS refused the record, with the message that is shown.",
        "QMS heeft het record geweigerd, met de melding die erbij staat.",
        "Mend what the message says. It is offered again when it changes, after an hour, or when you re-offer it.",
        "Herstel wat de melding noemt. Het gaat opnieuw zodra het wijzigt, na een uur, of als u het opnieuw aanbiedt.",
    ),
    "refused_by_minox": Words(
        "Minox refused the entry, with the message that is shown.",
        "Minox heeft de boeking geweigerd, met de melding die erbij staat.",
        "Mend what the message says, and re-offer the invoice if an hour is too long to wait.",
        "Herstel wat de melding noemt, en bied de factuur opnieuw aan als een uur wachten te lang is.",
    ),
    "technical": Words(
        "The other system could not be reached, or something unexpected happened.",
        "Het andere systeem was niet bereikbaar, of er gebeurde iets onverwachts.",
        "Nothing, unless it goes on: it is tried again by itself.",
        "Niets, tenzij het aanhoudt: het wordt vanzelf opnieuw geprobeerd.",
    ),
    "answer_lost": Words(
        "The entry went out and its answer did not come back.",
        "De boeking is verstuurd en het antwoord kwam niet terug.",
        "Nothing: the next run looks it up.",
        "Niets: de volgende run zoekt het op.",
    ),
    "batch_held": Words(
        "The whole list looks wrong, so nothing of it was loaded; the message names the rule.",
        "De hele lijst ziet er verkeerd uit, dus is er niets van verwerkt; de melding noemt de regel.",
        "See what is wrong with the list in the system it comes from; if it is right, loosen the setting it names.",
        "Kijk in het bronsysteem wat er met de lijst is; klopt zij, verruim dan de instelling die erbij staat.",
    ),
}
"""Why a record has its outcome; a rejected record may have several."""


def words_of(code: str) -> Words:
    """Look up an outcome or a reason; a code that nobody wrote words for speaks for itself."""
    return OUTCOMES.get(code) or REASONS.get(code) or Words(code, code)
