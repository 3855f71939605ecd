"""What people are told of: troubles as they are found, and incidents as they are kept.

An incident is open from the first time that a trouble of its kind is met until the link's direction is good again, and
is told of twice: when it opens, and when it is over. Of each link, direction, kind and subject one is open at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.words import Words

if TYPE_CHECKING:
    import datetime as dt

FAILED = "failed"
SETUP = "setup"
HELD = "held"
GRANT = "grant"
GRANT_IDLE = "grant_idle"
SILENCE = "silence"
KILLED = "killed"
DIFFERENCES = "differences"
SETTINGS = "settings"
MAINTENANCE = "maintenance"

OF_RUNS = (FAILED, SETUP, HELD, SILENCE, KILLED, DIFFERENCES)
"""Kinds that are over as soon as a run of the same link and direction is good; the others have an end of their own.

Differences are over when a good run has looked again at all that was found (`include/storage/findings.py`).
"""

KINDS: dict[str, Words] = {
    FAILED: Words(
        "A run failed.",
        "Een run is mislukt.",
        "Nothing at first: the next run takes up what is open. Act when no message comes that it is over.",
        "Eerst niets: de volgende run neemt mee wat openstaat. Kom in actie als de melding uitblijft dat het over is.",
    ),
    SETUP: Words(
        "A run failed on something that no next run can mend.",
        "Een run is mislukt op iets wat geen volgende run kan verhelpen.",
        "Mend what the message names: a setting, or a right in the other system. Until then runs fail.",
        "Herstel wat de melding noemt: een instelling, of een recht in het andere systeem. Tot dan mislukken runs.",
    ),
    HELD: Words(
        "A whole list looks wrong, so nothing of it was processed.",
        "Een hele lijst ziet er verkeerd uit, dus is er niets van verwerkt.",
        "See what is wrong with the list in the system it comes from; if it is right, loosen the setting it names.",
        "Kijk in het bronsysteem wat er met de lijst is; klopt zij, verruim dan de instelling die erbij staat.",
    ),
    GRANT: Words(
        "The other system does not let us in any more.",
        "Het andere systeem laat ons niet meer binnen.",
        "Connect again on the Sync page, as someone who may log in there.",
        "Verbind opnieuw op de pagina Sync, als iemand die daar mag inloggen.",
    ),
    GRANT_IDLE: Words(
        "A connection has not been used for days, and may be withdrawn for it.",
        "Een verbinding is dagenlang niet gebruikt, en kan daardoor vervallen.",
        "See why the runs of this link stand still; any good run renews the connection.",
        "Ga na waarom de runs van deze koppeling stilstaan; elke goede run vernieuwt de verbinding.",
    ),
    SILENCE: Words(
        "There has been no good run for too long.",
        "Er is te lang geen goede run geweest.",
        "See in Airflow whether the DAG is paused, and whether scheduler and workers are at work.",
        "Kijk in Airflow of de DAG gepauzeerd is, en of de scheduler en de workers draaien.",
    ),
    KILLED: Words(
        "A run stopped half way without a word.",
        "Een run is halverwege zonder bericht gestopt.",
        "Nothing is lost: the next run goes on. If it happens again, look at the memory of the workers.",
        "Er is niets verloren: de volgende run gaat verder. Kijk bij herhaling naar het geheugen van de workers.",
    ),
    DIFFERENCES: Words(
        "QMS, the ledger of the connector and Minox do not agree.",
        "QMS, het grootboek van de koppeling en Minox komen niet overeen.",
        "Run the command below: it lists each difference. What to do with each kind is on the DAG's page in Airflow.",
        "Voer het commando hieronder uit: dat noemt elk verschil. Wat u met elke soort doet, staat op de pagina van de "
        "DAG in Airflow.",
    ),
    SETTINGS: Words(
        "The link's file with settings is not valid, so nothing of this link runs.",
        "Het instellingenbestand van de koppeling klopt niet, dus draait er niets van deze koppeling.",
        "Mend the file as the message says; the runs then go on by themselves.",
        "Herstel het bestand zoals de melding zegt; daarna gaan de runs vanzelf verder.",
    ),
    MAINTENANCE: Words(
        "The nightly clean-up of the connector's database failed.",
        "De nachtelijke opruiming van de database van de koppeling is mislukt.",
        "Nothing at first: the next night goes on. Act when no message comes that it is over.",
        "Eerst niets: de volgende nacht gaat verder. Kom in actie als de melding uitblijft dat het over is.",
    ),
}
"""Every kind of incident, in plain words."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong, as it is met.

    Attributes:
        kind: One of `KINDS`.
        message: One sentence for the bookkeeper.
        detail: One sentence for the engineer; may be empty.
        subject: The Airflow connection that it is about, for grants; else empty.
        task_id: Task that met it, if one did.
        is_summary: It only repeats that the run was not good: it opens nothing when the run met something else.
    """

    kind: str
    message: str
    detail: str = ""
    subject: str = ""
    task_id: str | None = None
    is_summary: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The run that a trouble was met in.

    Attributes:
        dag_id: Of the DAG.
        run_id: Of the DAG run.
    """

    dag_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it is kept (table `alert_incident`).

    Attributes:
        id: Its number.
        link: Name of the link.
        direction: `minox_to_qms`, `qms_to_minox` or `reconcile`; empty: the whole link.
        kind: One of `KINDS`.
        subject: See `Trouble`.
        message: See `Trouble`.
        detail: See `Trouble`.
        dag_id: Of the run that met it last, if a run did.
        run_id: Of the same.
        task_id: Of the same.
        opened_at: When it was first met.
        resolved_at: When it was over.
    """

    id: int
    link: str
    direction: str
    kind: str
    subject: str
    message: str
    detail: str
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    opened_at: dt.datetime
    resolved_at: dt.datetime | None
