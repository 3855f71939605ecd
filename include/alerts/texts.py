"""The texts of alerts, in Dutch and in English: first for the bookkeeper, then for the engineer.

Plain text, one form for mail and for webhooks. What a record's own message says is cut off and never treated as markup.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from include.alerts.incident import KINDS
from include.bookings.plan import LOCAL
from include.words import words_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from include.alerts.incident import Incident

SHOWN = 40
"""Records that a digest lists one by one; of the rest it gives the number."""

MAX_LINE = 500
MAX_SUBJECT = 200

DIRECTIONS = {
    "minox_to_qms": ("stamgegevens (Minox naar QMS)", "master data (Minox to QMS)"),
    "qms_to_minox": ("facturen (QMS naar Minox)", "invoices (QMS to Minox)"),
    "reconcile": ("vergelijking van QMS en Minox", "reconciliation of QMS and Minox"),
    "": ("de hele koppeling", "the whole link"),
}
SUBJECTS = {
    "failed": "run mislukt / run failed",
    "setup": "instelling of recht klopt niet / setting or right is wrong",
    "held": "lijst tegengehouden / list held back",
    "grant": "opnieuw verbinden / connect again",
    "grant_idle": "verbinding ongebruikt / connection unused",
    "silence": "geen goede run / no good run",
    "killed": "run afgebroken / run killed",
    "differences": "verschillen / differences",
    "settings": "instellingen kloppen niet / settings not valid",
    "maintenance": "opruimen mislukt / clean-up failed",
}


@dataclass(frozen=True, slots=True)
class Text:
    """What people get.

    Attributes:
        subject: One line.
        body: Plain text.
    """

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was rejected, or is good again; `name` is what people call it, when that is not its key."""

    entity: str
    source_key: str
    reason: str
    message: str
    name: str = ""


def alert_text(incident: Incident, base_url: str = "") -> Text:
    """Tell of an incident that opened.

    Args:
        incident: The incident.
        base_url: Address of Airflow's pages; empty: no links are given.
    """
    words = KINDS[incident.kind]
    nl, en = DIRECTIONS[incident.direction]
    lines = [
        f"Koppeling {incident.link}, {nl}: {words.nl}",
        f"Wat te doen: {words.todo_nl}",
        "",
        f"Link {incident.link}, {en}: {words.en}",
        f"What to do: {words.todo_en}",
        "",
        f"Melding / message: {one_line(incident.message)}",
    ]
    if incident.detail:
        lines.append(f"Voor de technicus / for the engineer: {one_line(incident.detail)}")
    if incident.task_id:
        lines.append(f"Taak / task: {incident.task_id}")
    lines += [f"Sinds / since: {local(incident.opened_at)}", *_links(incident, base_url)]
    return Text(subject(incident.link, SUBJECTS[incident.kind]), "\n".join(lines))


def recovered_text(link: str, incidents: Sequence[Incident]) -> Text:
    """Tell that incidents of a link are over."""
    lines = [
        f"Koppeling {link}: het is weer goed. U hoeft niets te doen.",
        f"Link {link}: all is well again. There is nothing to do.",
        "",
    ]
    for one in incidents:
        until = local(one.resolved_at) if one.resolved_at is not None else ""
        what = f"{DIRECTIONS[one.direction][0]} / {DIRECTIONS[one.direction][1]}"
        lines.append(f"- {what}: {SUBJECTS[one.kind]}, {local(one.opened_at)} - {until}")
    return Text(subject(link, "hersteld / recovered"), "\n".join(lines))


def rejected_text(link: str, direction: str, records: Sequence[Record], base_url: str = "") -> Text:
    """Tell of records that were rejected and have not been told of before (spec, section 6).

    Args:
        link: Name of the link.
        direction: `minox_to_qms` or `qms_to_minox`.
        records: The records.
        base_url: Address of Airflow's pages; empty: no link is given.
    """
    nl, en = DIRECTIONS[direction]
    count = len(records)
    lines = [
        f"Koppeling {link}, {nl}: {count} nieuw afgekeurd. De rest gaat gewoon door.",
        f"Link {link}, {en}: {count} newly rejected. The rest goes on as usual.",
    ]
    for reason, number in Counter(one.reason for one in records).most_common():
        words = words_of(reason)
        lines += ["", f"{number} x {reason}: {words.nl} {words.todo_nl}".rstrip()]
        lines.append(f"{words.en} {words.todo_en}".rstrip())
    lines += ["", *_listed(records), "", f"minox-qms rejections --link {link}", *_rejections(link, base_url)]
    return Text(subject(link, f"{count} afgekeurd / rejected"), "\n".join(lines))


def solved_text(link: str, direction: str, records: Sequence[Record], base_url: str = "") -> Text:
    """Tell of rejected records that are good again, or are gone from their system; see `rejected_text`."""
    nl, en = DIRECTIONS[direction]
    count = len(records)
    lines = [
        f"Koppeling {link}, {nl}: {count} eerder afgekeurd, nu opgelost.",
        f"Link {link}, {en}: {count} rejected before, solved now.",
        "",
        *_listed(records),
    ]
    lines += [f"\n{one}?solved=true" for one in _rejections(link, base_url)]
    return Text(subject(link, f"{count} opgelost / solved"), "\n".join(lines))


def subject(link: str, what: str) -> str:
    """Write a subject: one line, whatever it is made of."""
    return one_line(f"[minox-qms] {link}: {what}", MAX_SUBJECT)


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """Bring a text to one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def local(instant: dt.datetime) -> str:
    """Write an instant in local time."""
    return instant.astimezone(LOCAL).strftime("%d-%m-%Y %H:%M")


def _listed(records: Sequence[Record]) -> list[str]:
    """List the first records, and the number of those that are left out."""
    lines = [
        f"- {one.entity} {one_line(one.name or one.source_key, 100)}: {one.reason}: {one_line(one.message)}"
        for one in records[:SHOWN]
    ]
    left = len(records) - SHOWN
    return [*lines, f"… en nog {left} / and {left} more"] if left > 0 else lines


def _rejections(link: str, base_url: str) -> list[str]:
    """Say where the rejections of a link are on the Sync page."""
    return [f"{base_url.rstrip('/')}/minox-qms/links/{quote(link, safe='')}/rejections"] if base_url else []


def _links(incident: Incident, base_url: str) -> list[str]:
    """Say where to look in Airflow."""
    if not incident.dag_id:
        return []
    if not base_url:
        return [f"Airflow: {incident.dag_id} {incident.run_id or ''}".rstrip()]
    url = f"{base_url.rstrip('/')}/dags/{quote(incident.dag_id, safe='')}"
    if incident.run_id:
        url += f"/runs/{quote(incident.run_id, safe='')}"
        if incident.task_id:
            url += f"/tasks/{quote(incident.task_id, safe='')}"
    return [f"Airflow: {url}"]
