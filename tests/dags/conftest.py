"""A links directory with two good links and a broken one, and the DAGs that Airflow makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

from tests.settings.support import MINIMAL, with_values

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
DAGS = PROJECT / "dags"


@pytest.fixture(scope="session")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The links directory: `north` and `south` are good, `odd` has an unknown key, `torn` is no YAML."""
    directory = tmp_path_factory.mktemp("links")
    without = with_values("master_data", entities={"vat_codes": False, "payment_terms": False})
    for name, content in (("north", MINIMAL), ("south", without), ("odd", with_values("bookings", line="grouped"))):
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (directory / "torn.yaml").write_text("minox: [", encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def bag(links: Path) -> Iterator[DagBag]:
    """The DAGs of that directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINOX_QMS_LINKS_DIR", str(links))
        yield DagBag(DAGS)
