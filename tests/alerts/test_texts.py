"""The texts of alerts, and when there is one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from include.alerts.diagnosis import RunFacts, trouble_of_error, troubles_of_run
from include.alerts.incident import FAILED, GRANT, GRANT_IDLE, HELD, KILLED, KINDS, SETUP, SILENCE, Incident, Trouble
from include.alerts.routes import alert_settings, routes_of
from include.alerts.texts import DIRECTIONS, SUBJECTS, Record, alert_text, recovered_text, rejected_text, solved_text
from include.alerts.watching import (
    GRANT_IDLE_AFTER,
    KILLED_AFTER,
    DirectionSeen,
    GrantSeen,
    RunSeen,
    trouble_of_direction,
    trouble_of_grant,
)
from include.errors import AccessError, BatchHeldError, ConfigurationError, GrantRefusedError, TransientError
from include.words import REASONS

if TYPE_CHECKING:
    from pathlib import Path

NOON = dt.datetime(2026, 7, 1, 10, 0, tzinfo=dt.UTC)
CONNECTIONS = {"minox": "minox_main", "qms": "qms_main"}


def incident(kind: str = FAILED, **more: object) -> Incident:
    values: dict[str, object] = {
        "id": 1, "link": "noord", "direction": "minox_to_qms", "kind": kind, "subject": "", "message": "Minox is weg.",
        "detail": "503", "dag_id": "minox_master_data__noord", "run_id": "scheduled__2026-07-01T10:00:00+00:00",
        "task_id": "customers.stage", "opened_at": NOON, "resolved_at": None,
    }  # fmt: skip
    return Incident(**{**values, **more})  # type: ignore[arg-type]


def test_every_kind_and_direction_has_words_in_both_languages() -> None:
    assert set(SUBJECTS) == set(KINDS)
    for words in KINDS.values():
        assert words.en != words.nl
        assert all((words.en, words.nl, words.todo_en, words.todo_nl))
    assert all(nl != en for nl, en in DIRECTIONS.values())


def test_an_alert_says_what_for_which_link_to_both_readers_and_where_to_look() -> None:
    text = alert_text(incident(), "https://airflow.example/")
    assert text.subject == "[minox-qms] noord: run mislukt / run failed"
    assert "Koppeling noord, stamgegevens (Minox naar QMS): Een run is mislukt." in text.body
    assert "Link noord, master data (Minox to QMS): A run failed." in text.body
    assert "Melding / message: Minox is weg." in text.body
    assert "for the engineer: 503" in text.body
    assert "Taak / task: customers.stage" in text.body
    assert "01-07-2026 12:00" in text.body
    assert text.body.endswith(
        "https://airflow.example/dags/minox_master_data__noord/runs/"
        "scheduled__2026-07-01T10%3A00%3A00%2B00%3A00/tasks/customers.stage"
    )


def test_what_no_next_run_can_mend_asks_somebody_to_mend_it() -> None:
    text = alert_text(incident(SETUP, message="Dagboek VRK bestaat niet."))
    assert "Herstel wat de melding noemt" in text.body
    assert "Mend what the message names" in text.body
    assert "Eerst niets" not in text.body
    assert "Eerst niets" in alert_text(incident(FAILED)).body


def test_an_alert_without_a_run_has_no_link_and_without_an_address_names_the_run() -> None:
    assert "Airflow:" not in alert_text(incident(dag_id=None, run_id=None, task_id=None), "https://x").body
    assert alert_text(incident(task_id=None)).body.endswith(
        "Airflow: minox_master_data__noord scheduled__2026-07-01T10:00:00+00:00"
    )


def test_a_subject_is_one_line_whatever_the_link_is_called() -> None:
    text = recovered_text("noord\r\nBcc: x@evil.example", [incident(resolved_at=NOON)])
    assert "\n" not in text.subject
    assert "\r" not in text.subject
    assert len(alert_text(incident(message="x" * 100_000)).body) < 2000


def test_recovered_names_what_is_over() -> None:
    text = recovered_text("noord", [incident(resolved_at=NOON), incident(SILENCE, direction="qms_to_minox")])
    assert text.subject == "[minox-qms] noord: hersteld / recovered"
    assert "het is weer goed" in text.body
    assert "all is well again" in text.body
    assert text.body.count("\n- ") == 2


def test_a_digest_counts_explains_and_lists_up_to_a_limit() -> None:
    records = [
        Record("customers", str(number), "nameless_debtor", "postal.name: It is\nblank.") for number in range(100)
    ]
    records.append(Record("customers", "7", "wrong_type", "id"))
    text = rejected_text("noord", "minox_to_qms", records)
    assert text.subject == "[minox-qms] noord: 101 afgekeurd / rejected"
    assert f"100 x nameless_debtor: {REASONS['nameless_debtor'].nl}" in text.body
    assert REASONS["wrong_type"].todo_en in text.body
    assert text.body.count("\n- customers ") == 40
    assert "… en nog 61 / and 61 more" in text.body
    assert "- customers 0: nameless_debtor: postal.name: It is blank." in text.body
    assert "minox-qms rejections --link noord" in text.body
    assert "… en nog" not in solved_text("noord", "minox_to_qms", records[:40]).body
    assert solved_text("noord", "qms_to_minox", records[:2]).subject == "[minox-qms] noord: 2 opgelost / solved"


def test_a_digest_names_invoices_by_their_number_and_says_where_to_look() -> None:
    records = [Record("invoices", "9042", "no_lines", "No line is left.", "F2026-0042")]
    for tell, where in ((rejected_text, "rejections"), (solved_text, "rejections?solved=true")):
        body = tell("noord", "qms_to_minox", records, "https://airflow.example/").body
        assert "- invoices F2026-0042: no_lines" in body
        assert "9042" not in body
        assert body.endswith(f"\nhttps://airflow.example/minox-qms/links/noord/{where}")
        assert "http" not in tell("noord", "qms_to_minox", records).body


# -- from errors and facts ---------------------------------------------------------------------------------------------


def test_an_error_that_is_not_retried_is_known_by_its_cause() -> None:
    for error, kind, subject in (
        (BatchHeldError("Lijst is leeg.", detail="rule", entity="customers"), HELD, ""),
        (GrantRefusedError("Verbind opnieuw.", system="qms"), GRANT, "qms_main"),
        (TransientError("Minox is weg.", system="minox"), FAILED, ""),
        (ConfigurationError("Dagboek VRK bestaat niet.", system="minox"), SETUP, ""),
        (AccessError("Minox weigert: 403.", system="minox"), SETUP, ""),
    ):
        wrapped = RuntimeError("as Airflow hands it over")
        wrapped.__cause__ = error
        for given in (error, wrapped):
            found = trouble_of_error(given, "customers.check", CONNECTIONS)
            assert found is not None
            assert (found.kind, found.subject, found.message) == (kind, subject, error.message)
            assert found.task_id == "customers.check"


def test_a_bug_is_told_without_its_words() -> None:
    found = trouble_of_error(KeyError("Jansen B.V."), "book", CONNECTIONS)
    assert found is not None
    assert found.kind == FAILED
    assert "KeyError" in found.detail
    assert "Jansen" not in found.detail + found.message


@pytest.mark.parametrize(("error", "task_id"), [(TransientError("rood"), "close_run"), (None, "book")])
def test_what_only_repeats_or_is_not_known_is_worked_out_from_the_run(
    error: TransientError | None, task_id: str
) -> None:
    assert trouble_of_error(error, task_id, CONNECTIONS) is None


def kinds(facts: RunFacts) -> list[tuple[str, bool]]:
    return [(one.kind, one.is_summary) for one in troubles_of_run(facts)]


def test_a_run_is_explained_by_what_went_wrong_in_it() -> None:
    held = {"customers": ("held", "Nothing of customers was loaded."), "items": ("good", None)}
    check, closing = {"customers.check": "held"}, {"close_run": "sum"}
    assert kinds(RunFacts("sum", {**check, **closing}, held)) == [(HELD, False)]
    assert kinds(RunFacts("sum", {"check": "held"}, {"invoices": ("held", "x")})) == [(HELD, False)]
    assert kinds(RunFacts("sum", {**check, "items.load": "503"}, held)) == [(HELD, False), (FAILED, True)]
    assert kinds(RunFacts("sum", closing, {"items": ("failed", "died")})) == [(FAILED, True)]
    assert kinds(RunFacts("sum", {"book": "x"}, refused={"minox_main": "no"})) == [(GRANT, False)]


def test_a_killed_run_is_told_of_though_nobody_said_anything() -> None:
    (trouble,) = troubles_of_run(RunFacts())
    assert trouble == Trouble(FAILED, "A task of the run was killed, or died before it could say why.", is_summary=True)


# -- from what the watcher sees ----------------------------------------------------------------------------------------


def seen(
    quiet: int, *, in_window: bool = True, state: str = "good", idle: dt.timedelta = dt.timedelta()
) -> DirectionSeen:
    return DirectionSeen(quiet, in_window, NOON, RunSeen("d", "r", state, idle))


def test_silence_begins_after_the_setting_and_within_the_window() -> None:
    assert trouble_of_direction(seen(45), 45) is None
    assert trouble_of_direction(seen(500, in_window=False), 45) is None
    found = trouble_of_direction(seen(46), 45)
    assert found is not None
    assert found.kind == SILENCE
    assert "46 minutes" in found.message
    never = trouble_of_direction(DirectionSeen(46, True, None, None), 45)
    assert never is not None
    assert never.message.startswith("There never was a good run for 46 minutes")


def test_a_run_that_stands_still_was_killed() -> None:
    almost = KILLED_AFTER - dt.timedelta(seconds=1)
    assert trouble_of_direction(seen(0, state="running", idle=almost), 45) is None
    assert trouble_of_direction(seen(0, state="failed", idle=KILLED_AFTER), 45) is None
    found = trouble_of_direction(seen(0, in_window=False, state="running", idle=KILLED_AFTER), 45)
    assert found is not None
    assert found.kind == KILLED
    assert "15 minutes" in found.message


def test_grants_that_are_refused_or_lie_idle() -> None:
    def of(state: str, unrenewed: dt.timedelta = dt.timedelta()) -> str | None:
        found = trouble_of_grant(GrantSeen("Minox", "minox_main", state, "invalid_grant", unrenewed))
        return None if found is None else found.kind

    assert [of("good"), of("absent"), of("refused")] == [None, None, GRANT]
    assert of("good", GRANT_IDLE_AFTER - dt.timedelta(seconds=1)) is None
    assert of("good", GRANT_IDLE_AFTER) == GRANT_IDLE


# -- routes ------------------------------------------------------------------------------------------------------------


def test_routes_are_read_though_the_rest_of_the_file_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("odd: 1\nalerts: {email: a@x.example, webhooks: [one, two]}")
    settings = alert_settings(path)
    assert settings is not None
    assert routes_of(settings) == ("email", "webhook:one", "webhook:two")


@pytest.mark.parametrize("content", ["alerts: [", "alerts: {emial: x}", None])
def test_a_section_that_cannot_be_read(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_text(content)
    assert alert_settings(path) is None


@pytest.mark.parametrize("content", ["", "minox: {}", "- 1"])
def test_a_file_without_the_section_tells_nobody(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content)
    settings = alert_settings(path)
    assert settings is not None
    assert routes_of(settings) == ()
