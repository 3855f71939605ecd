"""The migrations make exactly the tables that the code declares, once, however many processes ask."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from include.settings.load import PROJECT_ROOT
from include.storage.embedded import ensure_database
from include.storage.engine import engine_from_url
from include.storage.migrate import VERSION_TABLE, head, migrate
from include.storage.tables import metadata

if TYPE_CHECKING:
    import pytest


def test_migrations_make_the_declared_tables(database: sa.Engine) -> None:
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_the_newest_revision_is_the_one_that_alembic_ends_at() -> None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT_ROOT / "include" / "storage" / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [head()]


def test_public_views_have_the_documented_columns(database: sa.Engine) -> None:
    columns = [
        "link", "direction", "entity", "source_key", "outcome", "reason", "message", "dag_id", "run_id", "occurred_at",
    ]  # fmt: skip
    for view in ("sync_outcomes", "sync_current"):
        assert [column["name"] for column in sa.inspect(database).get_columns(view)] == columns


def test_many_processes_migrate_at_once(database_server: sa.URL) -> None:
    url = ensure_database(database_server, "migrate_race")
    errors: list[Exception] = []

    def one() -> None:
        engine = engine_from_url(url)
        try:
            migrate(engine)
        except Exception as error:  # noqa: BLE001 - collected and asserted
            errors.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_migration_that_fails_half_way_runs_again(database_server: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_from_url(ensure_database(database_server, "migrate_half"))

    def fails(*_: object) -> None:
        raise RuntimeError("half way")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.operations.base.Operations.execute", fails)
        try:
            migrate(engine)
        except RuntimeError as error:
            assert str(error) == "half way"  # noqa: PT017 - the point is what comes after
    assert sa.inspect(engine).get_table_names() == []
    migrate(engine)
    with engine.connect() as connection:
        assert connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")) == head()  # noqa: S608
    engine.dispose()
