"""Changes older than the setting are forgotten, others and other links' are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.bindings import Change, note_changes
from include.storage.history import forget_old_changes
from include.storage.runs import open_run

if TYPE_CHECKING:
    from include.storage.runs import Run


def a_run(database: sa.Engine, link: str) -> Run:
    return open_run(database, link=link, direction="minox_to_qms", dag_id=f"d_{link}", run_id="r", plan={})


def test_forgets_only_what_is_old_of_this_link(database: sa.Engine) -> None:
    run, other = a_run(database, "one"), a_run(database, "two")
    with database.begin() as connection:
        for each in (run, other):
            changes = [Change(key, 1, "updated", {"Name": ["a", "b"]}) for key in ("old", "new")]
            note_changes(connection, each, "customers", changes)
        connection.execute(
            sa.text("UPDATE field_change SET changed_at = now() - interval '91 days' WHERE source_key = 'old'")
        )
    assert forget_old_changes(database, run, 90) == 1
    with database.connect() as connection:
        left = connection.execute(sa.text("SELECT link, source_key FROM field_change ORDER BY 1, 2")).all()
    assert [tuple(row) for row in left] == [("one", "new"), ("two", "new"), ("two", "old")]
