"""`minox-qms maintain` deletes what is old, and says what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from include.storage.outcomes import Outcome
from tests.storage.support import whole_run

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_it_says_what_would_go_and_what_went(cli: CommandLine, database: sa.Engine) -> None:
    whole_run(database, cli.link, "customers", ["1"], [Outcome("2", "created")])
    assert "nothing, all is young enough" in cli.run("maintain")[0]
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE sync_run SET started_at = now() - interval '401 days', finished_at = NULL"))
    out, _ = cli.run("maintain", "--dry-run")
    assert "Would be deleted" in out
    assert "sync_outcome_set" in out
    told = cli.json("maintain", "--dry-run")
    assert (told["dry_run"], told["is_complete"], told["rows"]["sync_outcome"]) == (True, True, 1)
    assert cli.json("maintain")["rows"] == told["rows"]
    assert cli.json("maintain")["rows"]["sync_outcome"] == 0
