"""Fixtures of the matrix and of what stands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.halves import ExportHalf, ImportHalf

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa


@pytest.fixture(scope="class")
def export(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[ExportHalf]:
    """The half that books invoices."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        half = ExportHalf(tmp_path_factory.mktemp("export"), database, monkeypatch)
        try:
            yield half
        finally:
            half.world.stop()


@pytest.fixture(scope="class")
def importing(tmp_path_factory: pytest.TempPathFactory, database: sa.Engine) -> Iterator[ImportHalf]:
    """The half that brings master data over."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        half = ImportHalf(tmp_path_factory.mktemp("import"), database, monkeypatch)
        try:
            yield half
        finally:
            half.world.stop()
